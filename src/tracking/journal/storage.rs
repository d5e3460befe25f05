//! The few file operations of the append side, behind a seam so that tests can make them fail.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An open segment.
pub(super) trait SegmentFile: Send + Sync {
    /// One `write` behind what was written before, which may be short.
    fn write(&self, bytes: &[u8]) -> io::Result<usize>;
    /// Puts so many zeros behind the end of the file, for later writes to fall into; answers the file's length then.
    fn reserve(&self, len: u64) -> io::Result<u64>;
    /// `fdatasync`.
    fn sync_data(&self) -> io::Result<()>;
}

/// Makes segments.
pub(super) trait Storage: Send + Sync {
    /// Creates a file that must not exist yet, readable by its owner alone.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn SegmentFile>>;
    /// `fdatasync` of a file that an earlier process left.
    fn sync_left(&self, path: &Path) -> io::Result<()>;
    /// Makes created names of a directory durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
}

/// The file system.
pub(super) struct Disk;

impl Storage for Disk {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn SegmentFile>> {
        // Not in append mode: that would write behind the zeros of `reserve`.
        let file = private(OpenOptions::new().write(true).create_new(true)).open(path)?;
        Ok(Arc::new(OnDisk { file, path: path.to_owned() }))
    }

    fn sync_left(&self, path: &Path) -> io::Result<()> {
        // Open for writing, which some systems ask of who syncs.
        OpenOptions::new().append(true).open(path)?.sync_data()
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        sync_dir(dir)
    }
}

struct OnDisk {
    /// Its cursor stands behind the last record.
    file: File,
    path: PathBuf,
}

impl SegmentFile for OnDisk {
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut file = &self.file;
        loop {
            match Write::write(&mut file, bytes) {
                Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
                done => return done,
            }
        }
    }

    fn reserve(&self, len: u64) -> io::Result<u64> {
        // Append mode puts them behind the end wherever the cursor stands, so that no record is ever overwritten. Zeros
        // are written because space that is only promised (fallocate) costs a sync its metadata all the same.
        let mut ahead = OpenOptions::new().append(true).open(&self.path)?;
        ahead.write_all(&vec![0; usize::try_from(len).unwrap_or(0)])?;
        Ok(ahead.metadata()?.len())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

/// Adds mode 0600 where the system knows modes: a journal holds personal data (invariant 8).
pub(super) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

/// Makes a directory if need be, and closes it to others even when it was made by hand.
pub(super) fn private_dir(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    #[cfg(unix)]
    fs::set_permissions(dir, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    Ok(())
}

/// Makes created and renamed names of a directory durable.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    #[cfg(unix)]
    File::open(dir)?.sync_all()?;
    #[cfg(not(unix))]
    let _ = dir;
    Ok(())
}
