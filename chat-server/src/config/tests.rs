use std::path::Path;

use chat_relay::limits::{Allowance, Limits};
use chat_relay::{Lobby, Registration};

use super::{Config, ConfigError, DEFAULT_LISTEN, LogFormat, Rotation};

fn parse(text: &str) -> Result<Config, ConfigError> {
    let mut config = Config::default();
    config.apply_text(Path::new("relay.toml"), text)?;
    Ok(config)
}

fn with(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    Config::read(None, variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
}

#[test]
fn an_empty_file_is_the_defaults_and_a_full_one_sets_what_it_says() {
    let config = parse("").unwrap();
    assert_eq!(config.listen.to_string(), DEFAULT_LISTEN);
    assert_eq!(config.relay.limits, Limits::default());
    let config = parse(
        "listen = \"[::1]:9\"\ndata = \"/srv/chat\"\nregistration = \"invite\"\nlobby = false\nmetrics = \"127.0.0.1:1\"\n\
         [tls]\ncertificate = \"a.pem\"\nkey = \"b.pem\"\n\
         [log]\nformat = \"json\"\nfile = \"/var/log/chat\"\nrotation = \"hourly\"\nkeep = 3\n\
         [limits]\nmailbox_mib = 2\nlogin_seconds = 5\nfinds = { burst = 5, per_minute = 6 }\n",
    )
    .unwrap();
    assert_eq!(config.listen.to_string(), "[::1]:9");
    assert_eq!(config.metrics.unwrap().port(), 1);
    assert_eq!((config.relay.registration, config.relay.lobby), (Registration::Invite, Lobby::Off));
    assert_eq!(config.tls.unwrap().key, Path::new("b.pem"));
    assert_eq!(config.relay.limits.mailbox_bytes_max, 2 * 1024 * 1024);
    assert_eq!(config.relay.limits.login_ms_max, 5_000);
    assert_eq!(config.relay.limits.finds, Allowance { burst: 5, refill_ms: 10_000 });
    let file = config.log.file.unwrap();
    assert_eq!((config.log.format, file.rotation, file.keep), (LogFormat::Json, Rotation::Hourly, 3));
}

/// The TOML on the page of this module.
fn example() -> String {
    let page = include_str!("mod.rs");
    let lines = page.lines().skip_while(|l| *l != "//! ```toml").skip(1).take_while(|l| *l != "//! ```");
    let lines: Vec<&str> = lines.map(|l| l.trim_start_matches("//!").trim_start()).collect();
    lines.join("\n")
}

#[test]
fn the_example_above_says_the_defaults_and_names_every_key() {
    let (config, default) = (parse(&example()).unwrap(), Config::default());
    assert_eq!(config.relay.limits, default.relay.limits);
    let blobs = |config: &Config| {
        let limits = &config.relay.blobs;
        (limits.blob_bytes_max, limits.account_bytes_max, limits.retention_ms)
    };
    assert_eq!(blobs(&config), blobs(&default));
    assert_eq!((config.listen, config.log, config.doors), (default.listen, default.log, default.doors));
    let whole: Vec<String> = example().lines().map(|l| l.trim_start_matches("# ").to_owned()).collect();
    let built = |line: &&String| cfg!(feature = "object_store") || !line.starts_with("objects = ");
    let whole: Vec<&str> = whole.iter().filter(built).map(String::as_str).collect();
    let config = parse(&whole.join("\n")).unwrap();
    assert!(config.websocket.is_some() && config.metrics.is_some() && config.data.is_some());
    assert!(config.tls.is_some() && config.log.file.is_some());
}

#[test]
fn the_sample_for_operators_is_the_same_example() {
    let sample = include_str!("../../deploy/chat-server.toml");
    let lines = |text: &str| -> Vec<String> {
        text.lines().map(|l| l.split_whitespace().collect::<Vec<_>>().join(" ")).filter(|l| l.contains('=')).collect()
    };
    assert_eq!(lines(sample), lines(&example()));
}

#[test]
fn every_mistake_names_its_line() {
    for (text, line) in [
        ("registration = \"open\"\nlisten = \"nowhere\"", 2),
        ("\n\n[limits]\nmailbox_entries = 0", 4),
        ("[limits]\nfinds = { burst = 0, per_minute = 1 }", 2),
        ("[limits]\npassword_tries_per_name = { burst = 41, per_minute = 1 }", 2),
        ("[limits]\n\n\nsilent_seconds = 9", 4),
        ("[limits]\nframe_kib = 1023", 2),
        ("[limits]\n\nframe_kib = 4097", 3),
        ("[log]\nlevel = \"a=b=c\"", 2),
        ("[limits]\n\nfile_days = 0", 3),
        ("[limits]\nfile_mib = 20\nfiles_per_account_mib = 19", 3),
        ("[limits]\nfile_mib = 20000", 2),
        ("[files]\nobjects = \"ftp://bucket\"", 2),
        ("lisen = \"127.0.0.1:1\"", 1),
        ("[limits]\n\nconnections = \"many\"", 3),
        ("listen = ", 1),
    ] {
        let error = parse(text).unwrap_err().to_string();
        assert!(error.contains(&format!("line {line}")), "{text:?}: {error}");
        assert!(error.contains("relay.toml"), "{error}");
    }
}

#[test]
fn the_environment_wins_over_the_file_and_its_mistakes_name_the_variable() {
    let config = with(&[
        ("CHAT_SERVER_METRICS", "127.0.0.1:9"),
        ("CHAT_SERVER_LIMITS__MAILBOX_MIB", "3"),
        ("CHAT_SERVER_LIMITS__FINDS", "{ burst = 2, per_minute = 60 }"),
        ("CHAT_SERVER_LOG__LEVEL", "warn"),
        ("CHAT_SERVER_TLS__KEY", "/k.pem"),
        ("CHAT_SERVER_REGISTRATION", "closed"),
        ("CHAT_SERVER_PORT", "tcp://10.0.0.1:7667"),
        ("HOME", "/root"),
    ])
    .unwrap();
    assert_eq!(config.metrics.unwrap().port(), 9);
    assert_eq!(config.relay.limits.mailbox_bytes_max, 3 * 1024 * 1024);
    assert_eq!(config.relay.limits.finds, Allowance { burst: 2, refill_ms: 1_000 });
    assert_eq!((config.log.level.as_str(), config.relay.registration), ("warn", Registration::Closed));
    assert_eq!(config.tls.unwrap().key, Path::new("/k.pem"));
    assert_eq!(config.unknown_variables, ["CHAT_SERVER_PORT"], "told, and no reason not to start");
    for (name, value) in [
        ("CHAT_SERVER_LIMITS__MAILBOX_MIB", "many"),
        ("CHAT_SERVER_LIMITS__CONNECTIONS", "0"),
        ("CHAT_SERVER_WEBSOCKET", "nowhere"),
    ] {
        let error = with(&[(name, value)]).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    }
}
