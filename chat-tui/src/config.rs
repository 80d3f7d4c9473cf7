//! The person's configuration file, `chat/config.toml`: what it may say, and what is wrong with it.
//! A mistake never keeps the program from starting; it is named and the default stands.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// Bytes of a configuration file that are read: it is written by hand.
pub const FILE_BYTES_MAX: u64 = 256 * 1024;

/// What the person chose.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Config {
    /// Look.
    pub ui: Ui,
    /// What others learn.
    pub privacy: Privacy,
    /// What the terminal tells while nobody looks.
    pub notify: Notify,
    /// What becomes of files.
    pub files: Files,
    /// Key to action, over all scopes (each action knows its own).
    pub keys: BTreeMap<String, String>,
}

/// Look.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "snake_case")]
pub struct Ui {
    /// Light or dark ground.
    pub theme: ThemeChoice,
    /// How many colours.
    pub color: ColorChoice,
    /// Columns of the list of chats.
    pub list_width: u16,
    /// Wheel and click go to the program; with Shift held they stay the terminal's.
    pub mouse: bool,
    /// Bindings to begin with.
    pub keymap: KeymapChoice,
    /// Addresses are marked as links for the terminal.
    pub links: LinkChoice,
    /// How pictures are drawn.
    pub images: ImagesChoice,
}

/// What the terminal tells while nobody looks at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(default, rename_all = "snake_case")]
pub struct Notify {
    /// How.
    pub via: NotifyChoice,
    /// What.
    pub content: ContentChoice,
}

/// How the terminal tells that something came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotifyChoice {
    /// By a note where the terminal surely shows one, else by its bell.
    #[default]
    Auto,
    /// By its bell.
    Bell,
    /// By a note (OSC 9).
    Note,
    /// Not at all.
    Off,
}

/// How much a note says: others may read the screen too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContentChoice {
    /// That something came.
    #[default]
    None,
    /// From whom.
    Name,
    /// From whom, and how it begins.
    Full,
}

/// Bindings to begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeymapChoice {
    /// The usual ones.
    #[default]
    Default,
    /// Those of vi.
    Vim,
    /// Those of Emacs.
    Emacs,
}

/// Whether addresses are marked as links (OSC 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkChoice {
    /// Unless the terminal is known to print the marks.
    #[default]
    Auto,
    /// Never.
    Never,
}

/// What others learn.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "snake_case")]
pub struct Privacy {
    /// People learn that an answer is being written.
    pub typing: bool,
    /// Whose pictures are decoded and shown.
    pub images_from: ImagesFrom,
}

/// Whose pictures are decoded and shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImagesFrom {
    /// One's own and those of people one has accepted.
    #[default]
    Contacts,
    /// Those of everybody in a room too.
    Everybody,
    /// None.
    Nobody,
}

/// How pictures are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImagesChoice {
    /// As well as the terminal can.
    #[default]
    Auto,
    /// By half blocks.
    Blocks,
    /// By the kitty protocol.
    Kitty,
    /// By sixels.
    Sixel,
    /// Not at all.
    Off,
}

/// What becomes of files.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "snake_case")]
pub struct Files {
    /// Where they go to; none for the desktop's directory of downloads.
    pub download_dir: Option<Folder>,
    /// Those up to this size come by themselves, from contacts and rooms; none do when it is 0.
    pub auto_max: ByteCount,
    /// So much comes by itself within a day: nobody fills a disk.
    pub auto_day_max: ByteCount,
}

/// A directory: an absolute path, or one that begins with `~/`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Folder(String);

impl TryFrom<String> for Folder {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let whole = Path::new(&text).is_absolute() || text == "~" || text.starts_with("~/");
        if whole { Ok(Self(text)) } else { Err("an absolute path, or one that begins with ~/") }
    }
}

impl Folder {
    /// Where that is; none when it lies at home and there is no home.
    #[must_use]
    pub fn path(&self, home: Option<&Path>) -> Option<PathBuf> {
        match self.0.strip_prefix('~') {
            Some(below) => home.map(|home| home.join(below.trim_start_matches('/'))),
            None => Some(PathBuf::from(&self.0)),
        }
    }
}

/// A number of bytes: `0`, `300000`, `"5MiB"`, `"1 GB"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "toml::Value")]
pub struct ByteCount(pub u64);

/// Units of a number of bytes.
const UNITS: [(&str, u64); 8] = [
    ("", 1),
    ("B", 1),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

impl TryFrom<toml::Value> for ByteCount {
    type Error = &'static str;

    fn try_from(value: toml::Value) -> Result<Self, Self::Error> {
        let count = match &value {
            toml::Value::Integer(count) => u64::try_from(*count).ok(),
            toml::Value::String(text) => {
                let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
                let (number, unit) = text.split_at(digits);
                let unit = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit.trim()));
                number.parse::<u64>().ok().zip(unit).and_then(|(number, (_, unit))| number.checked_mul(*unit))
            }
            _ => None,
        };
        count.map(Self).ok_or("a number of bytes, like 0 or \"5MiB\"")
    }
}

/// Light or dark ground.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThemeChoice {
    /// Ask the terminal.
    #[default]
    Auto,
    /// Light text on dark.
    Dark,
    /// Dark text on light.
    Light,
}

/// How many colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColorChoice {
    /// As the environment says.
    #[default]
    Auto,
    /// None.
    None,
    /// The terminal's sixteen.
    #[serde(rename = "16")]
    Sixteen,
    /// 256.
    #[serde(rename = "256")]
    Indexed,
    /// 24 bits.
    #[serde(rename = "true")]
    True,
}

/// What is wrong with a file; the rest of it counts.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigProblem {
    /// It is no TOML; nothing of it counts.
    Syntax {
        /// Line, from 1.
        line: usize,
    },
    /// This table or key is not known.
    Unknown {
        /// As written, with its table.
        name: String,
    },
    /// This key has a value that it can't have.
    Value {
        /// As written, with its table.
        name: String,
    },
}

/// Columns of the list of chats: names are cut below, messages above.
const LIST_WIDTH: std::ops::RangeInclusive<u16> = 16..=48;

impl Default for Ui {
    fn default() -> Self {
        Self {
            theme: ThemeChoice::Auto,
            color: ColorChoice::Auto,
            list_width: 26,
            mouse: true,
            keymap: KeymapChoice::default(),
            links: LinkChoice::default(),
            images: ImagesChoice::default(),
        }
    }
}

/// Files that come by themselves: a picture or a document, not a film.
const AUTO_BYTES: u64 = 5 << 20;

/// And so much of them a day.
const AUTO_DAY_BYTES: u64 = 1 << 30;

impl Default for Files {
    fn default() -> Self {
        Self { download_dir: None, auto_max: ByteCount(AUTO_BYTES), auto_day_max: ByteCount(AUTO_DAY_BYTES) }
    }
}

impl Default for Privacy {
    fn default() -> Self {
        Self { typing: true, images_from: ImagesFrom::default() }
    }
}

impl Config {
    /// Names of every setting, for suggestions.
    pub const NAMES: [&'static str; 19] = [
        "ui",
        "ui.theme",
        "ui.color",
        "ui.list_width",
        "ui.mouse",
        "ui.keymap",
        "ui.links",
        "ui.images",
        "privacy",
        "privacy.typing",
        "privacy.images_from",
        "notify",
        "notify.via",
        "notify.content",
        "files",
        "files.download_dir",
        "files.auto_max",
        "files.auto_day_max",
        "keys",
    ];

    /// Reads a file's text.
    #[must_use]
    pub fn read(text: &str) -> (Self, Vec<ConfigProblem>) {
        let mut config = Self::default();
        let mut problems = Vec::new();
        let table = match text.parse::<toml::Table>() {
            Ok(table) => table,
            Err(error) => {
                let before = error.span().and_then(|s| text.get(..s.start)).unwrap_or_default();
                problems.push(ConfigProblem::Syntax { line: before.matches('\n').count() + 1 });
                return (config, problems);
            }
        };
        for (name, value) in &table {
            match (name.as_str(), value) {
                ("ui", toml::Value::Table(ui)) => config.ui = section(ui, "ui", &mut problems),
                ("privacy", toml::Value::Table(privacy)) => config.privacy = section(privacy, "privacy", &mut problems),
                ("notify", toml::Value::Table(notify)) => config.notify = section(notify, "notify", &mut problems),
                ("files", toml::Value::Table(files)) => config.files = section(files, "files", &mut problems),
                ("keys", toml::Value::Table(keys)) => config.keys = bindings(keys, &mut problems),
                ("ui" | "privacy" | "notify" | "files" | "keys", _) => {
                    problems.push(ConfigProblem::Value { name: name.clone() })
                }
                _ => problems.push(ConfigProblem::Unknown { name: name.clone() }),
            }
        }
        if !LIST_WIDTH.contains(&config.ui.list_width) {
            problems.push(ConfigProblem::Value { name: "ui.list_width".into() });
            config.ui.list_width = config.ui.list_width.clamp(*LIST_WIDTH.start(), *LIST_WIDTH.end());
        }
        (config, problems)
    }
}

/// Reads a table key by key, so that one mistake does not cost the others.
fn section<T: Default + for<'a> Deserialize<'a>>(
    table: &toml::Table,
    at: &str,
    problems: &mut Vec<ConfigProblem>,
) -> T {
    let mut good = toml::Table::new();
    for (key, value) in table {
        let name = format!("{at}.{key}");
        if !Config::NAMES.contains(&name.as_str()) {
            problems.push(ConfigProblem::Unknown { name });
            continue;
        }
        let mut tried = good.clone();
        tried.insert(key.clone(), value.clone());
        if T::deserialize(toml::Value::Table(tried.clone())).is_ok() {
            good = tried;
        } else {
            problems.push(ConfigProblem::Value { name });
        }
    }
    T::deserialize(toml::Value::Table(good)).unwrap_or_default()
}

fn bindings(table: &toml::Table, problems: &mut Vec<ConfigProblem>) -> BTreeMap<String, String> {
    let mut keys = BTreeMap::new();
    for (key, value) in table {
        match value.as_str() {
            Some(action) => {
                keys.insert(key.clone(), action.to_owned());
            }
            None => problems.push(ConfigProblem::Value { name: format!("keys.{key}") }),
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_mistake_is_named_and_the_rest_counts() {
        let (config, problems) = Config::read(
            "[ui]\ntheme = \"light\"\ncolour = \"16\"\nmouse = \"no\"\n[privacy]\ntyping = false\n[keys]\n\"ctrl-g\" = \"go\"\n",
        );
        assert_eq!((config.ui.theme, config.ui.mouse, config.privacy.typing), (ThemeChoice::Light, true, false));
        assert_eq!(config.keys.get("ctrl-g").map(String::as_str), Some("go"));
        assert_eq!(
            problems,
            [ConfigProblem::Unknown { name: "ui.colour".into() }, ConfigProblem::Value { name: "ui.mouse".into() }]
        );
    }

    #[test]
    fn sizes_and_folders_are_read_as_people_write_them_and_wrong_ones_are_named() {
        let read = |line: &str| Config::read(&format!("[files]\n{line}\n"));
        assert_eq!(Config::default().files.auto_max, ByteCount(5 * 1024 * 1024));
        for (line, count) in
            [("auto_max = 0", 0), ("auto_max = 300000", 300_000), ("auto_max = \"1 GB\"", 1_000_000_000)]
        {
            assert_eq!(read(line).0.files.auto_max, ByteCount(count), "{line}");
        }
        for line in ["auto_max = -1", "auto_max = \"5 miles\"", "auto_max = \"99999999999GiB\"", "auto_max = true"] {
            let (config, problems) = read(line);
            assert_eq!(config.files, Files::default());
            assert_eq!(problems, [ConfigProblem::Value { name: "files.auto_max".into() }], "{line}");
        }
        let folder = |line: &str| read(line).0.files.download_dir.and_then(|f| f.path(Some(Path::new("/home/a"))));
        assert_eq!(folder("download_dir = \"~/got\""), Some(PathBuf::from("/home/a/got")));
        assert_eq!(folder("download_dir = \"/srv/got\""), Some(PathBuf::from("/srv/got")));
        assert_eq!(folder("download_dir = \"got\""), None);
    }

    #[test]
    fn a_file_that_is_no_toml_names_its_line_and_changes_nothing() {
        let (config, problems) = Config::read("[ui]\ntheme = light\n");
        assert_eq!(config, Config::default());
        assert_eq!(problems, [ConfigProblem::Syntax { line: 2 }]);
    }

    #[test]
    fn a_list_that_would_fill_the_screen_is_bounded() {
        let (config, problems) = Config::read("[ui]\nlist_width = 400\n");
        assert_eq!((config.ui.list_width, problems.len()), (48, 1));
    }

    #[test]
    fn the_page_about_it_shows_every_setting_with_its_default() {
        let page = include_str!("../CONFIG.md");
        let text = page.split("```").nth(1).and_then(|t| t.strip_prefix("toml")).unwrap();
        let (config, problems) = Config::read(text);
        assert_eq!(problems, []);
        assert_eq!(Config { keys: BTreeMap::new(), ..config }, Config::default());
        for name in Config::NAMES {
            let key = name.rsplit('.').next().unwrap();
            assert!(text.contains(&format!("{key} = ")) || text.contains(&format!("[{key}]")), "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_file_keeps_the_program_from_starting(text in "(\\PC|\n|\\[ui\\]|=|\"){0,200}") {
            let _ = Config::read(&text);
        }
    }
}
