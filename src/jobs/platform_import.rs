//! Imports of what platforms export: a preview that shows everything, and an import that does exactly that.
//!
//! The file is read without the database ([`Read::new`]); [`preview()`] then says what it is, what it would replace and
//! what is missing, and [`import`] records it in one transaction. The page, the API and the command line all come
//! through here.

mod options;
mod plan;
mod preview;
mod record;

pub use options::Options;
pub use preview::{AccountView, CampaignView, Preview, SheetView, Vanishing, preview};
pub use record::{Imported, Words, import};

use crate::domain::fault::Fault;
use crate::domain::platform::PlatformAccount;
use crate::imports::platform::{self, PlatformFile};
use crate::imports::preset::{self, Preset};
use crate::imports::table::{Asked, Billed};
use crate::store::{Conn, StoreError, platforms, uploads};

/// A file that was read, with what the user said about it.
#[derive(Debug, Clone)]
pub struct Read {
    /// Its name, for the list of batches.
    pub name: String,
    /// What it holds.
    pub file: PlatformFile,
    /// What the user said.
    pub options: Options,
}

impl Read {
    /// Reads a file by the built-in presets and by what is remembered.
    pub fn new(name: &str, bytes: &[u8], known: &Remembered, options: Options) -> Result<Self, Vec<Fault>> {
        let presets: Vec<&Preset> = known.presets.iter().chain(preset::built_in()).collect();
        let asked = Asked {
            account: options.account.clone(),
            currency: options.currency,
            dates: options.dates,
            decimal: options.decimal,
            spread: options.spread,
            exported_on: options.exported_on,
            accounts: known.accounts.clone(),
        };
        let file = platform::read(bytes, &presets, options.preset.as_deref(), &asked)?;
        Ok(Self { name: name.to_owned(), file, options })
    }
}

/// What was said with earlier files, by which later ones are read.
#[derive(Debug, Clone, Default)]
pub struct Remembered {
    presets: Vec<Preset>,
    accounts: Vec<Billed>,
}

impl Remembered {
    /// Everything that is remembered now.
    pub fn load(conn: &mut Conn) -> Result<Self, StoreError> {
        let billed = |a: PlatformAccount| Billed { platform: a.platform, name: a.name, currency: a.currency };
        let accounts = platforms::accounts(conn)?.into_iter().map(billed).collect();
        Ok(Self { presets: own_presets(conn)?, accounts })
    }
}

/// The presets that users saved. One that this program cannot read any more is left out.
pub fn own_presets(conn: &mut Conn) -> Result<Vec<Preset>, StoreError> {
    Ok(uploads::presets(conn)?.into_iter().filter_map(|(_, body)| Preset::parse(&body).ok()).collect())
}
