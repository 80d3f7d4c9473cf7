//! How much comes without being asked for: so much a day, and only while the disk has room left.

use std::path::Path;

use chat_core::time::Timestamp;

use crate::config::Downloads;
use crate::store::Came;

/// Milliseconds in which what came counts together.
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// Bytes of a disk that files nobody asked for leave free.
const FREE_BYTES_MIN: u64 = 1024 * 1024 * 1024;

/// Counts a file with what came before it; none when it is to wait until somebody asks for it.
pub(super) fn count(downloads: &Downloads, came: Came, (size, now): (u64, Timestamp)) -> Option<Came> {
    let over = now.as_ms() >= came.since_ms.saturating_add(DAY_MS);
    let came = if over { Came { since_ms: now.as_ms(), bytes: 0 } } else { came };
    let bytes = came.bytes.saturating_add(size);
    let wanted = size <= downloads.auto_bytes_max && bytes <= downloads.auto_day_bytes_max;
    wanted.then_some(Came { bytes, ..came })
}

/// Whether a file that nobody asked for may come to a disk with so much left.
pub(super) fn fits(size: u64, free_bytes: u64) -> bool {
    free_bytes.saturating_sub(size) >= FREE_BYTES_MIN
}

/// Bytes that are left for a person on the disk of a directory.
pub(super) fn free_bytes(dir: &Path) -> std::io::Result<u64> {
    let disk = rustix::fs::statvfs(dir)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANY: Downloads = Downloads { dir: None, auto_bytes_max: 10, auto_day_bytes_max: 25 };

    fn counted(came: Came, size: u64, now_ms: u64) -> Option<Came> {
        count(&MANY, came, (size, Timestamp::from_ms(now_ms)))
    }

    #[test]
    fn a_day_brings_so_much_and_the_next_one_as_much_again() {
        let (mut came, begun) = (Came::default(), DAY_MS * 20_000);
        for (size, bytes) in [(10, 10), (10, 20), (5, 25), (0, 25)] {
            came = counted(came, size, begun + bytes).unwrap();
            assert_eq!(came.bytes, bytes);
        }
        assert_eq!(counted(came, 1, begun + DAY_MS - 1), None);
        // A clock that was set back begins no new day.
        assert_eq!(counted(came, 1, 5), None);
        assert_eq!(counted(came, 1, begun + DAY_MS + 10), Some(Came { since_ms: begun + DAY_MS + 10, bytes: 1 }));
    }

    #[test]
    fn a_file_over_the_size_never_comes_and_counts_for_nothing() {
        assert_eq!(counted(Came::default(), 11, DAY_MS), None);
        assert_eq!(counted(Came::default(), u64::MAX, DAY_MS), None);
        let all = Downloads { auto_bytes_max: u64::MAX, ..MANY };
        assert_eq!(count(&all, Came { since_ms: 0, bytes: 1 }, (u64::MAX, Timestamp::from_ms(1))), None);
    }

    #[test]
    fn the_last_of_a_disk_is_left_to_its_owner() {
        assert!(fits(5, FREE_BYTES_MIN + 5) && !fits(6, FREE_BYTES_MIN + 5) && !fits(u64::MAX, u64::MAX));
        let dir = tempfile::tempdir().unwrap();
        assert!(free_bytes(dir.path()).is_ok_and(|free| free > 0));
        assert!(free_bytes(&dir.path().join("absent")).is_err());
    }
}
