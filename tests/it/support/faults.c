/*
 * A disk that fails, for one process: preloaded into the server, this stands between it and the C library's
 * file calls and fails those on files under one directory, by odds that the test sets while the process runs.
 *
 *   HEADWATER_FAULTS_DIR      the directory; no other file is touched
 *   HEADWATER_FAULTS_CONTROL  a file of 32 little-endian u64, mapped: odds and counters, below
 *   HEADWATER_FAULTS_SYNCED   a log of what reached the disk: "S <name> <end>" for each successful sync of a segment,
 *                             "F <name> <end>" for each that was failed
 *   HEADWATER_FAULTS_SEED     the odds' seed
 *
 * A failed write has written nothing, as on a full or broken disk; a short one has written its first bytes. A failed
 * sync has synced nothing, and the log lets the test lose those bytes at a power cut, as the kernel may.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* Odds are in parts of a million. The test writes them, and reads the counters, by the same indices. */
enum { SHORT_WRITE, NO_SPACE, WRITE_ERROR, SYNC_ERROR };
enum { SHORTENED = 8, WRITES_REFUSED, SYNCS_REFUSED, RECORDS_AT_RISK, HEADERS_AT_RISK, WRITES_SEEN, SYNCS_SEEN };
enum { WORDS = 32, FDS = 65536 };
enum { UNKNOWN, OTHER, SEGMENT, BESIDE };

static _Atomic uint64_t *control;
static _Atomic uint64_t draws;
static uint64_t seed;
static const char *dir;
static int log_fd = -1;
/* What each descriptor is; asked of /proc once, so that copies made by dup are known too. */
static _Atomic unsigned char kinds[FDS];
/* The furthest end of positioned writes, by descriptor. */
static _Atomic uint64_t placed[FDS];

#define REAL(name) ((__typeof__(&name))real(#name))

static void *real(const char *name) {
    void *found = dlsym(RTLD_NEXT, name);
    if (!found) _exit(97);
    return found;
}

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("HEADWATER_FAULTS_CONTROL");
    const char *log = getenv("HEADWATER_FAULTS_SYNCED");
    const char *text = getenv("HEADWATER_FAULTS_SEED");
    dir = getenv("HEADWATER_FAULTS_DIR");
    if (!path || !log || !dir) return;
    seed = text ? strtoull(text, NULL, 10) : 0;
    int fd = REAL(open)(path, O_RDWR | O_CLOEXEC);
    log_fd = REAL(open)(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    void *map = fd < 0 ? MAP_FAILED : mmap(NULL, WORDS * 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED || log_fd < 0) _exit(98);
    control = map;
}

static int path_of(int fd, char *path, size_t size) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, size - 1);
    if (n < 0) return 0;
    path[n] = 0;
    return 1;
}

static int kind_of(int fd) {
    if (!control || fd < 0 || fd >= FDS) return OTHER;
    int kind = atomic_load(&kinds[fd]);
    if (kind != UNKNOWN) return kind;
    char path[4096];
    int saved = errno;
    size_t len = strlen(dir);
    kind = OTHER;
    if (path_of(fd, path, sizeof path) && !strncmp(path, dir, len) && path[len] == '/') {
        size_t end = strlen(path);
        kind = end > 4 && !strcmp(path + end - 4, ".seg") && !strchr(path + len + 1, '/') ? SEGMENT : BESIDE;
    }
    errno = saved;
    atomic_store(&kinds[fd], kind);
    return kind;
}

static void forget(int fd) {
    if (fd < 0 || fd >= FDS) return;
    atomic_store(&kinds[fd], UNKNOWN);
    atomic_store(&placed[fd], 0);
}

static uint64_t draw(void) {
    uint64_t z = seed + atomic_fetch_add(&draws, 1) * 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static int falls_on(int odds) {
    uint64_t parts = atomic_load(&control[odds]);
    return parts && draw() % 1000000 < parts;
}

static void count(int counter, uint64_t n) { atomic_fetch_add(&control[counter], n); }

/* How many records a refused buffer would have brought: length u32, checksum u32, then as many bytes as the length says. */
static void count_at_risk(const unsigned char *bytes, size_t len) {
    size_t at = 0, records = 0;
    if (len >= 8 && !memcmp(bytes, "HWJOURNL", 8)) {
        count(HEADERS_AT_RISK, 1);
        at = 32;
    }
    while (at + 8 < len) {
        uint32_t body;
        memcpy(&body, bytes + at, 4);
        if (!body || body > (4u << 20)) break;
        records++;
        at += 8 + (size_t)body;
    }
    count(RECORDS_AT_RISK, records);
}

/* What becomes of one write: all of it, some of it (then fewer bytes than asked), or none (then an error in errno). */
static ssize_t allowed(int kind, const void *bytes, size_t len) {
    count(WRITES_SEEN, 1);
    int error = falls_on(NO_SPACE) ? ENOSPC : falls_on(WRITE_ERROR) ? EIO : 0;
    int is_short = !error && len > 1 && falls_on(SHORT_WRITE);
    if (!error && !is_short) return (ssize_t)len;
    if (kind == SEGMENT && bytes) count_at_risk(bytes, len);
    count(error ? WRITES_REFUSED : SHORTENED, 1);
    if (is_short) return (ssize_t)(1 + draw() % (len - 1));
    errno = error;
    return -1;
}

ssize_t write(int fd, const void *bytes, size_t len) {
    int kind = kind_of(fd);
    ssize_t part = kind < SEGMENT ? (ssize_t)len : allowed(kind, bytes, len);
    return part < 0 ? -1 : REAL(write)(fd, bytes, (size_t)part);
}

ssize_t writev(int fd, const struct iovec *parts, int n) {
    int kind = kind_of(fd);
    if (kind < SEGMENT) return REAL(writev)(fd, parts, n);
    /* As one buffer, so that it can be shortened anywhere. */
    size_t len = 0, at = 0;
    for (int i = 0; i < n; i++) len += parts[i].iov_len;
    unsigned char *all = malloc(len ? len : 1);
    if (!all) _exit(96);
    for (int i = 0; i < n; at += parts[i].iov_len, i++) memcpy(all + at, parts[i].iov_base, parts[i].iov_len);
    ssize_t part = allowed(kind, all, len);
    ssize_t done = part < 0 ? -1 : REAL(write)(fd, all, (size_t)part);
    int saved = errno;
    free(all);
    errno = saved;
    return done;
}

static ssize_t placed_write(int fd, const void *bytes, size_t len, off_t at) {
    int kind = kind_of(fd);
    ssize_t part = kind < SEGMENT ? (ssize_t)len : allowed(kind, bytes, len);
    ssize_t done = part < 0 ? -1 : REAL(pwrite)(fd, bytes, (size_t)part, at);
    if (kind == SEGMENT && done > 0) {
        uint64_t end = (uint64_t)at + (uint64_t)done, was = atomic_load(&placed[fd]);
        while (was < end && !atomic_compare_exchange_weak(&placed[fd], &was, end)) {}
    }
    return done;
}

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at) { return placed_write(fd, bytes, len, at); }
ssize_t pwrite64(int fd, const void *bytes, size_t len, off64_t at) { return placed_write(fd, bytes, len, at); }

/* The end of what was written: not the size, as a file may have been given space ahead of need. */
static uint64_t end_of(int fd) {
    int flags = REAL(fcntl)(fd, F_GETFL);
    struct stat about;
    if (flags >= 0 && (flags & O_APPEND)) return fstat(fd, &about) ? 0 : (uint64_t)about.st_size;
    off_t at = lseek(fd, 0, SEEK_CUR);
    uint64_t furthest = atomic_load(&placed[fd]);
    return at > 0 && (uint64_t)at > furthest ? (uint64_t)at : furthest;
}

static int sync_with(int fd, int (*sync)(int)) {
    int kind = kind_of(fd);
    if (kind < SEGMENT) return sync(fd);
    char path[4096], line[4200];
    uint64_t end = end_of(fd);
    count(SYNCS_SEEN, 1);
    int fails = falls_on(SYNC_ERROR);
    /* The disk itself is left alone: what a power cut keeps is what the log says. */
    if (kind == SEGMENT && path_of(fd, path, sizeof path)) {
        const char *name = strrchr(path, '/') + 1;
        int len = snprintf(line, sizeof line, "%c %s %llu\n", fails ? 'F' : 'S', name, (unsigned long long)end);
        if (REAL(write)(log_fd, line, (size_t)len) != len) _exit(95);
    }
    if (!fails) return 0;
    count(SYNCS_REFUSED, 1);
    errno = EIO;
    return -1;
}

int fdatasync(int fd) { return sync_with(fd, REAL(fdatasync)); }
int fsync(int fd) { return sync_with(fd, REAL(fsync)); }

static mode_t mode_of(int flags, va_list more) { return flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0; }

#define OPENS(name)                                                                                                    \
    int name(const char *path, int flags, ...) {                                                                       \
        va_list more;                                                                                                  \
        va_start(more, flags);                                                                                         \
        int fd = REAL(name)(path, flags, mode_of(flags, more));                                                        \
        va_end(more);                                                                                                  \
        forget(fd);                                                                                                    \
        return fd;                                                                                                     \
    }
#define OPENS_AT(name)                                                                                                 \
    int name(int at, const char *path, int flags, ...) {                                                               \
        va_list more;                                                                                                  \
        va_start(more, flags);                                                                                         \
        int fd = REAL(name)(at, path, flags, mode_of(flags, more));                                                    \
        va_end(more);                                                                                                  \
        forget(fd);                                                                                                    \
        return fd;                                                                                                     \
    }
OPENS(open)
OPENS(open64)
OPENS_AT(openat)
OPENS_AT(openat64)

int close(int fd) {
    forget(fd);
    return REAL(close)(fd);
}
