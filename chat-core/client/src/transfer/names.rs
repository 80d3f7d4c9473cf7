//! Names that others give to files, and how they become files here (security.md 1f): a name never is a
//! path, never hides, never overwrites, and never names a device.

use std::path::{Path, PathBuf};

/// Bytes of a file name: 255 of every file system in use, less what a number behind it needs.
const NAME_BYTES_MAX: usize = 240;

/// Bytes of an ending that survives when a name is cut.
const ENDING_BYTES_MAX: usize = 32;

/// What a file is called when nothing is left of its name.
const NAMELESS: &str = "file";

/// Names that mean devices on some system, whatever ending follows.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "conin$", "conout$"];

/// Files of one name in one directory.
const NUMBERS_MAX: u32 = 10_000;

/// A name that is safe to be a file's, made of one that somebody else chose.
pub(super) fn safe_name(name: &str) -> String {
    let cleaned: String = name.chars().map(|c| if is_unfit(c) { '_' } else { c }).collect();
    // Leading dots hide a file, leading dashes are options, and ends of dots or blanks are lost elsewhere.
    let bare = cleaned.trim_start_matches(|c: char| c == '.' || c == '-' || c.is_whitespace());
    let bare = bare.trim_end_matches(|c: char| c == '.' || c.is_whitespace());
    let bare = if bare.chars().all(|c| c == '_') { NAMELESS } else { bare };
    let stem = bare.split('.').next().unwrap_or_default().trim_end();
    let cut = cut(bare);
    if is_device(stem) { format!("_{cut}") } else { cut }
}

/// Separators, what shells and other systems read as more than a name, and what shows as something else.
fn is_unfit(c: char) -> bool {
    matches!(c, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|')
        || c.is_control()
        || matches!(c,
            '\u{00AD}' | '\u{061C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFD}'
            | '\u{E0000}'..='\u{E0FFF}')
}

fn is_device(stem: &str) -> bool {
    let stem = stem.to_ascii_lowercase();
    let numbered = |port: &str| {
        stem.strip_prefix(port).is_some_and(|rest| {
            let mut rest = rest.chars();
            matches!((rest.next(), rest.next()), (Some('0'..='9' | '¹' | '²' | '³'), None))
        })
    };
    DEVICES.contains(&stem.as_str()) || numbered("com") || numbered("lpt")
}

/// Cuts a name to what a file system takes; its ending stays when it is short.
fn cut(name: &str) -> String {
    if name.len() <= NAME_BYTES_MAX {
        return name.to_owned();
    }
    let (stem, ending) = split(name);
    let ending = if ending.len() <= ENDING_BYTES_MAX { ending } else { "" };
    let mut end = NAME_BYTES_MAX.saturating_sub(ending.len()).min(stem.len());
    while !stem.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    format!("{}{ending}", stem.get(..end).unwrap_or_default())
}

/// A name before its ending, and the ending with its dot.
fn split(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(dot) if dot > 0 => name.split_at(dot),
        _ => (name, ""),
    }
}

/// Paths to try for a name in a directory, one after the other, until one is free.
pub(super) fn candidates(dir: &Path, name: &str) -> impl Iterator<Item = PathBuf> + use<> {
    let dir = dir.to_path_buf();
    let (stem, ending) = split(name);
    let (stem, ending) = (stem.to_owned(), ending.to_owned());
    (0..NUMBERS_MAX).map(move |number| match number {
        0 => dir.join(format!("{stem}{ending}")),
        number => dir.join(format!("{stem} ({number}){ending}")),
    })
}

/// The media type that an ending stands for; none when it says nothing.
pub(super) fn media_type(name: &str) -> Option<&'static str> {
    let (_, ending) = split(name);
    let ending = ending.to_ascii_lowercase();
    let known = MEDIA_TYPES.iter().find(|(known, _)| ending.strip_prefix('.') == Some(known));
    known.map(|(_, media_type)| *media_type)
}

const MEDIA_TYPES: [(&str, &str); 32] = [
    ("txt", "text/plain"),
    ("log", "text/plain"),
    ("md", "text/markdown"),
    ("csv", "text/csv"),
    ("html", "text/html"),
    ("json", "application/json"),
    ("xml", "application/xml"),
    ("toml", "application/toml"),
    ("pdf", "application/pdf"),
    ("zip", "application/zip"),
    ("gz", "application/gzip"),
    ("tar", "application/x-tar"),
    ("xz", "application/x-xz"),
    ("zst", "application/zstd"),
    ("7z", "application/x-7z-compressed"),
    ("odt", "application/vnd.oasis.opendocument.text"),
    ("ods", "application/vnd.oasis.opendocument.spreadsheet"),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("gif", "image/gif"),
    ("webp", "image/webp"),
    ("svg", "image/svg+xml"),
    ("mp3", "audio/mpeg"),
    ("ogg", "audio/ogg"),
    ("opus", "audio/ogg"),
    ("wav", "audio/wav"),
    ("mp4", "video/mp4"),
    ("webm", "video/webm"),
    ("mkv", "video/x-matroska"),
];

#[cfg(test)]
mod tests {
    use std::path::Component;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hostile_names_become_harmless_ones() {
        for (given, expected) in [
            ("../../etc/passwd", "_.._etc_passwd"),
            ("/etc/passwd", "_etc_passwd"),
            ("..\\..\\x.exe", "_.._x.exe"),
            ("C:\\Windows\\x", "C__Windows_x"),
            (".bashrc", "bashrc"),
            ("-rf", "rf"),
            ("..", "file"),
            ("", "file"),
            ("...", "file"),
            ("\0", "file"),
            ("///", "file"),
            ("a\0b\n\x1b[31m.txt", "a_b___31m.txt".replace("__31m", "_[31m").as_str()),
            ("photo\u{202E}gnp.exe", "photo_gnp.exe"),
            ("con", "_con"),
            ("NUL.txt", "_NUL.txt"),
            ("com1.log", "_com1.log"),
            ("lpt¹", "_lpt¹"),
            ("command.txt", "command.txt"),
            ("name. . ", "name"),
            ("grüße.tar.gz", "grüße.tar.gz"),
        ] {
            assert_eq!(safe_name(given), expected, "{given:?}");
        }
    }

    #[test]
    fn a_long_name_is_cut_between_characters_and_keeps_its_ending() {
        let cut = safe_name(&format!("{}.tar.gz", "ü".repeat(300)));
        assert!(cut.len() <= NAME_BYTES_MAX && cut.ends_with(".gz"), "{cut}");
        assert!(safe_name(&"x".repeat(1_000)).len() <= NAME_BYTES_MAX);
        assert!(safe_name(&format!("a.{}", "b".repeat(1_000))).len() <= NAME_BYTES_MAX);
    }

    #[test]
    fn the_next_name_has_a_number_before_its_ending() {
        let names: Vec<PathBuf> = candidates(Path::new("/d"), "a.txt").take(3).collect();
        assert_eq!(names, [Path::new("/d/a.txt"), Path::new("/d/a (1).txt"), Path::new("/d/a (2).txt")]);
        assert_eq!(candidates(Path::new("/d"), "a").nth(1), Some(PathBuf::from("/d/a (1)")));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]
        #[test]
        fn no_name_leads_out_of_its_directory_or_hides_in_it(name in any::<String>(), parts in "[./\\\\ a-]{0,20}") {
            for name in [&name, &parts, &format!("{parts}{name}")] {
                let safe = safe_name(name);
                let path = Path::new("/downloads").join(&safe);
                let components: Vec<Component<'_>> = path.components().collect();
                prop_assert_eq!(components.len(), 3, "{:?}", safe);
                prop_assert_eq!(path.parent(), Some(Path::new("/downloads")));
                prop_assert!(!safe.starts_with(['.', '-', ' ']) && safe.len() <= NAME_BYTES_MAX + 1);
                prop_assert!(!safe.chars().any(is_unfit));
                // What is safe stays as it is.
                prop_assert_eq!(safe_name(&safe), safe);
            }
        }
    }
}
