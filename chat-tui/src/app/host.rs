//! What the machine tells: the configuration file, colours, the device's name.

use std::io::Read;
use std::path::PathBuf;
use std::time::SystemTime;

use chat_client::Downloads;

use crate::config::{
    ColorChoice, Config, ConfigProblem, FILE_BYTES_MAX, Files, ImagesChoice, KeymapChoice, LinkChoice, NotifyChoice,
    ThemeChoice,
};
use crate::keymap::{BindingProblem, Keymap, Profile, TABLE};
use crate::model::Graphics;
use crate::text::nearest;
use crate::theme::{Depth, Tone};

/// What the screen will look like until the terminal has answered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    pub(super) tone: Tone,
    pub(super) depth: Depth,
}

/// Everything that the configuration decides.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) config: Config,
    pub(super) keymap: Keymap,
    pub(super) look: Look,
    /// What is wrong with it, in words.
    pub(super) complaints: Vec<String>,
}

/// Reads the configuration, from the person's directory unless its text is given.
pub(super) fn settings(given: Option<&str>) -> Settings {
    let (config, mut complaints) = config(given);
    let profile = match config.ui.keymap {
        KeymapChoice::Default => Profile::Default,
        KeymapChoice::Vim => Profile::Vim,
        KeymapChoice::Emacs => Profile::Emacs,
    };
    let (keymap, problems) = Keymap::new(profile, &config.keys);
    complaints.extend(problems.iter().map(binding_complaint));
    let look = look(&config);
    Settings { config, keymap, look, complaints }
}

/// When the configuration was last written; none when there is no file.
pub(super) fn written() -> Option<SystemTime> {
    std::fs::metadata(config_path()?).and_then(|data| data.modified()).ok()
}

/// What the machine tells of the terminal and the configuration, name by name.
pub(super) fn facts() -> Vec<(&'static str, String)> {
    let variable = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
    let Settings { config, look, complaints, .. } = settings(None);
    let colours = match look.depth {
        Depth::Mono => "none",
        Depth::Sixteen => "16",
        Depth::Indexed => "256",
        Depth::True => "24 bits",
    };
    let file = match (config_path(), written()) {
        (Some(path), Some(_)) => path.display().to_string(),
        (Some(path), None) => format!("{} (not there: the defaults count)", path.display()),
        (None, _) => "there is no home directory".to_owned(),
    };
    let mut facts = vec![
        ("Terminal", variable("TERM").unwrap_or_else(|| "TERM is not set".to_owned())),
        ("Inside", variable("TMUX").map_or_else(|| "nothing else".to_owned(), |_| "tmux".to_owned())),
        ("Colours", colours.to_owned()),
        ("Links", if links(&config) { "marked for the terminal" } else { "text only" }.to_owned()),
        ("Language", variable("LC_ALL").or_else(|| variable("LANG")).unwrap_or_else(|| "not set".to_owned())),
        ("Configured", file),
    ];
    facts.extend(complaints.into_iter().map(|text| ("", text)));
    facts
}

/// Whether addresses are marked as links: the Linux console and dumb terminals would print the marks.
pub(super) fn links(config: &Config) -> bool {
    let term = std::env::var("TERM").unwrap_or_default();
    config.ui.links == LinkChoice::Auto && !matches!(term.as_str(), "" | "dumb" | "linux")
}

/// Protocols for pictures that the terminal told to know.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Able {
    pub(super) kitty: bool,
    pub(super) sixels: bool,
}

/// How pictures are drawn.
pub(super) fn graphics(config: &Config, depth: Depth, able: Able) -> Graphics {
    let blocks = if depth >= Depth::Indexed { Graphics::Blocks } else { Graphics::Off };
    match config.ui.images {
        ImagesChoice::Off => Graphics::Off,
        ImagesChoice::Blocks => blocks,
        ImagesChoice::Kitty => Graphics::Kitty,
        // Without the size of a cell in pixels nothing could be kept inside of it.
        ImagesChoice::Sixel if able.sixels => Graphics::Sixel,
        ImagesChoice::Sixel => blocks,
        // Who wants no colours wants no pictures in colours.
        ImagesChoice::Auto if depth == Depth::Mono => Graphics::Off,
        ImagesChoice::Auto if able.kitty => Graphics::Kitty,
        ImagesChoice::Auto if able.sixels => Graphics::Sixel,
        ImagesChoice::Auto => blocks,
    }
}

/// Whether a note of the terminal (OSC 9) is shown: only some terminals do, others would ignore it.
pub(super) fn notes(choice: NotifyChoice) -> bool {
    let is = |name: &str, values: &[&str]| std::env::var(name).is_ok_and(|v| values.contains(&v.as_str()));
    match choice {
        NotifyChoice::Note => true,
        NotifyChoice::Bell | NotifyChoice::Off => false,
        NotifyChoice::Auto => {
            is("TERM_PROGRAM", &["iTerm.app", "WezTerm", "ghostty"]) || std::env::var_os("KITTY_WINDOW_ID").is_some()
        }
    }
}

/// Which files come by themselves, and where to.
pub(super) fn downloads(config: &Config) -> Downloads {
    let home = std::env::home_dir();
    let dir = config.files.download_dir.as_ref().and_then(|folder| folder.path(home.as_deref()));
    let Files { auto_max, auto_day_max, .. } = &config.files;
    Downloads { dir, auto_bytes_max: auto_max.0, auto_day_bytes_max: auto_day_max.0 }
}

fn config(given: Option<&str>) -> (Config, Vec<String>) {
    let text = match given {
        Some(text) => Ok(text.to_owned()),
        None => read_file(),
    };
    match text {
        Ok(text) => {
            let (config, problems) = Config::read(&text);
            (config, problems.iter().map(complaint).collect())
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => (Config::default(), Vec::new()),
        Err(_) => (Config::default(), vec!["config.toml can't be read; the defaults count.".to_owned()]),
    }
}

fn read_file() -> std::io::Result<String> {
    let mut text = String::new();
    let path = config_path().ok_or(std::io::ErrorKind::NotFound)?;
    std::fs::File::open(path)?.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

fn config_path() -> Option<PathBuf> {
    use etcetera::BaseStrategy;
    let base = etcetera::choose_base_strategy().ok()?;
    Some(base.config_dir().join("chat").join("config.toml"))
}

fn complaint(problem: &ConfigProblem) -> String {
    match problem {
        ConfigProblem::Syntax { line } => format!("config.toml, line {line}: that is no TOML; the defaults count."),
        ConfigProblem::Unknown { name } => {
            format!("config.toml: there is no {name}.{}", suggestion(name, Config::NAMES))
        }
        ConfigProblem::Value { name } => format!("config.toml: {name} can't be that; the default counts."),
    }
}

/// What is wrong with a binding, in words.
fn binding_complaint(problem: &BindingProblem) -> String {
    match problem {
        BindingProblem::UnknownKey { key } => format!("config.toml: there is no key {key}."),
        BindingProblem::UnknownAction { name } => {
            format!("config.toml: there is no action {name}.{}", suggestion(name, TABLE.iter().map(|s| s.id)))
        }
    }
}

fn suggestion<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(name, known).map(|near| format!(" Did you mean {near}?")).unwrap_or_default()
}

/// Colours by choice and environment.
fn look(config: &Config) -> Look {
    let variable = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
    let tone = tone(config, None).or_else(|| variable("COLORFGBG").and_then(|v| ground(&v))).unwrap_or_default();
    Look { tone, depth: depth(config.ui.color, &variable) }
}

/// The tone by choice, else by what the terminal answered.
pub(super) fn tone(config: &Config, answered: Option<Tone>) -> Option<Tone> {
    match config.ui.theme {
        ThemeChoice::Dark => Some(Tone::Dark),
        ThemeChoice::Light => Some(Tone::Light),
        ThemeChoice::Auto => answered,
    }
}

/// `COLORFGBG` ends with the background: 7 and 9 to 15 are light.
fn ground(value: &str) -> Option<Tone> {
    let number: u8 = value.rsplit(';').next()?.parse().ok()?;
    Some(if number == 7 || (9..=15).contains(&number) { Tone::Light } else { Tone::Dark })
}

fn depth(choice: ColorChoice, variable: &dyn Fn(&str) -> Option<String>) -> Depth {
    match choice {
        ColorChoice::None => return Depth::Mono,
        ColorChoice::Sixteen => return Depth::Sixteen,
        ColorChoice::Indexed => return Depth::Indexed,
        ColorChoice::True => return Depth::True,
        ColorChoice::Auto => {}
    }
    let term = variable("TERM").unwrap_or_default();
    if variable("NO_COLOR").is_some() || variable("CLICOLOR").is_some_and(|v| v == "0") || term == "dumb" {
        return Depth::Mono;
    }
    match variable("COLORTERM").as_deref() {
        Some("truecolor" | "24bit") => Depth::True,
        _ if term.contains("direct") => Depth::True,
        _ if term.contains("256") => Depth::Indexed,
        _ => Depth::Sixteen,
    }
}

/// A name for this device that its owner recognises.
pub(super) fn device_name() -> String {
    let uname = rustix::system::uname();
    uname.nodename().to_string_lossy().chars().take(DEVICE_NAME_CHARS_MAX).collect()
}

/// Characters of a device's name: what fits beside its date in a list.
const DEVICE_NAME_CHARS_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_decides_how_many_colours_there_are() {
        let depth_of = |vars: &[(&str, &str)]| {
            let find = |name: &str| vars.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
            depth(ColorChoice::Auto, &find)
        };
        assert_eq!(depth_of(&[("TERM", "xterm-256color"), ("COLORTERM", "truecolor")]), Depth::True);
        assert_eq!(depth_of(&[("TERM", "xterm-256color"), ("NO_COLOR", "1")]), Depth::Mono);
        assert_eq!(depth_of(&[("TERM", "tmux-256color")]), Depth::Indexed);
        assert_eq!(depth_of(&[("TERM", "linux")]), Depth::Sixteen);
        assert_eq!(depth_of(&[("TERM", "dumb")]), Depth::Mono);
    }

    #[test]
    fn pictures_are_drawn_as_well_as_the_terminal_can_unless_something_else_was_chosen() {
        let (mut config, both) = (Config::default(), Able { kitty: true, sixels: true });
        assert_eq!(graphics(&config, Depth::True, both), Graphics::Kitty);
        assert_eq!(graphics(&config, Depth::True, Able { kitty: false, ..both }), Graphics::Sixel);
        assert_eq!(graphics(&config, Depth::Indexed, Able::default()), Graphics::Blocks);
        assert_eq!(graphics(&config, Depth::Sixteen, Able::default()), Graphics::Off);
        assert_eq!(graphics(&config, Depth::Mono, both), Graphics::Off);
        config.ui.images = ImagesChoice::Off;
        assert_eq!(graphics(&config, Depth::True, both), Graphics::Off);
    }

    #[test]
    fn a_misspelt_setting_gets_a_suggestion() {
        let (_, complaints) = config(Some("[ui]\nthem = \"dark\"\n"));
        assert_eq!(complaints, ["config.toml: there is no ui.them. Did you mean ui.theme?"]);
    }

    #[test]
    fn the_background_of_colorfgbg_counts() {
        assert_eq!(ground("0;15"), Some(Tone::Light));
        assert_eq!(ground("15;default;0"), Some(Tone::Dark));
        assert_eq!(ground("x"), None);
    }
}
