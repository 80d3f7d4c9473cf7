//! What an embedder chooses when it opens a profile.

use std::ffi::OsString;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

use crate::picture::Decoder;

/// Port of a relay whose address names none.
pub const RELAY_PORT: u16 = 7667;

/// How a profile is opened.
#[derive(Debug, Clone)]
pub struct Config {
    /// The profile's directory: made when absent, closed to everybody else, open in one process.
    pub data_dir: PathBuf,
    /// The relay; none takes the one that the profile was used with last.
    pub relay: Option<RelayAddress>,
    /// The relay's key, when somebody told it: then nothing else counts.
    pub pin: Option<Pin>,
    /// Who says that a notice was taken.
    pub ack: Ack,
    /// What becomes of a certificate that no root vouches for.
    pub trust: Trust,
    /// How the store's key is kept.
    pub store_key: StoreKey,
    /// Where a new password is estimated.
    pub estimate: Estimate,
    /// What becomes of files.
    pub files: FilesConfig,
}

impl Config {
    /// A profile directory with the defaults: last relay, no pin, automatic acknowledgement, silent
    /// trust on first use, the key as it is, passwords estimated in this process.
    #[must_use]
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            relay: None,
            pin: None,
            ack: Ack::Automatic,
            trust: Trust::FirstUse,
            store_key: StoreKey::default(),
            estimate: Estimate::default(),
            files: FilesConfig::default(),
        }
    }
}

/// Who says that a notice was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ack {
    /// A notice counts as taken once the reader asks for the next event.
    Automatic,
    /// Only [`crate::Client::ack`] says so.
    Manual,
}

/// What becomes of a certificate that no root vouches for, on a profile that knows no pin yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// Its key is stored and from then on the only one accepted.
    FirstUse,
    /// Nothing is sent; [`crate::ClientEvent::UnknownCertificate`] asks, and
    /// [`crate::Client::trust_certificate`] answers.
    Ask,
}

/// Where a new password is estimated.
#[derive(Debug, Clone, Default)]
pub enum Estimate {
    /// In this process, which keeps the word lists from then on: about six megabytes.
    #[default]
    Inside,
    /// In a child that calls [`crate::answer_estimate`] on its stdin and stdout and ends: started for each
    /// password. When it does not answer, the estimate is made in this process.
    Child {
        /// The program, usually the running one.
        program: PathBuf,
        /// What makes it answer.
        arguments: Vec<OsString>,
    },
}

/// What becomes of files.
#[derive(Debug, Clone, Default)]
pub struct FilesConfig {
    /// Makes the thumbnails of pictures that are sent; without one they have none.
    pub decoder: Option<Decoder>,
    /// What comes by itself, and where to.
    pub downloads: Downloads,
}

/// Bytes that come by themselves within a day unless somebody says otherwise.
const AUTO_DAY_BYTES: u64 = 1024 * 1024 * 1024;

/// What comes by itself, and where to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Downloads {
    /// Where files go to that are fetched without a path; none for the desktop's directory of downloads.
    pub dir: Option<PathBuf>,
    /// Files of accepted people and of rooms up to this many bytes are fetched without being asked for;
    /// none are when it is 0. What a stranger sends waits until the person is accepted.
    pub auto_bytes_max: u64,
    /// So much comes by itself within 24 hours; what is over waits to be asked for, so that nobody fills a disk. Nothing
    /// comes by itself either to a disk with less than 1 GiB left.
    pub auto_day_bytes_max: u64,
}

impl Default for Downloads {
    fn default() -> Self {
        Self { dir: None, auto_bytes_max: 0, auto_day_bytes_max: AUTO_DAY_BYTES }
    }
}

/// How the store's key is kept.
#[derive(Debug, Clone, Default)]
pub struct StoreKey {
    /// How it is to be kept from now on; none leaves it as it is. A new profile's key is sealed when there is
    /// a passphrase, and bare otherwise.
    pub kept: Option<Kept>,
    /// Opens a sealed key, and seals a bare one that is to be.
    pub passphrase: Option<Passphrase>,
}

/// What protects the store's key, beside that only its owner reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kept {
    /// Nothing: the store is safe as a copied database, not as a copied directory.
    Bare,
    /// A passphrase. Sealing a key that lay bare does not take back copies made before.
    Sealed,
    /// The system's keyring has the key, and the file its name there (feature `keyring`).
    Keyring,
}

/// What opens a sealed key: wiped when dropped, never printed.
#[derive(Clone)]
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// Unicode NFC: the same passphrase from another keyboard is the same bytes.
    pub(crate) fn normalised(&self) -> Zeroizing<String> {
        // NFC is at most three times as long in UTF-8; a string that grew would leave copies behind.
        let mut normal = Zeroizing::new(String::with_capacity(self.0.len().saturating_mul(3)));
        normal.extend(self.0.nfc());
        normal
    }
}

impl From<String> for Passphrase {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl From<Zeroizing<String>> for Passphrase {
    fn from(text: Zeroizing<String>) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase")
    }
}

/// SHA-256 of a certificate's `SubjectPublicKeyInfo`, written `sha256:HEX`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pin(pub [u8; 32]);

/// A text is no pin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a pin is `sha256:` and 64 hexadecimal digits")]
pub struct PinError;

impl FromStr for Pin {
    type Err = PinError;

    fn from_str(text: &str) -> Result<Self, PinError> {
        let digits = text.strip_prefix("sha256:").ok_or(PinError)?.as_bytes();
        let mut bytes = [0; 32];
        if digits.len() != 2 * bytes.len() {
            return Err(PinError);
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = pair.iter().try_fold(0u8, |value, digit| Some(value << 4 | nibble(*digit)?)).ok_or(PinError)?;
        }
        Ok(Self(bytes))
    }
}

fn nibble(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok()
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A relay's address: `HOST:PORT`, `HOST`, `ADDRESS:PORT` or `[ADDRESS]:PORT`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RelayAddress {
    host: String,
    port: u16,
}

/// A text is no relay address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a relay's address is HOST:PORT")]
pub struct RelayAddressError;

impl RelayAddress {
    /// Host name or address, without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl FromStr for RelayAddress {
    type Err = RelayAddressError;

    fn from_str(text: &str) -> Result<Self, RelayAddressError> {
        let (host, port) = split_port(text.trim())?;
        let is_name = |host: &str| {
            !host.is_empty()
                && host.len() <= HOST_BYTES_MAX
                && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
        };
        if host.parse::<IpAddr>().is_err() && !is_name(host) {
            return Err(RelayAddressError);
        }
        Ok(Self { host: host.to_ascii_lowercase(), port })
    }
}

/// Bytes of a host name: RFC 1035 §2.3.4.
const HOST_BYTES_MAX: usize = 253;

fn split_port(text: &str) -> Result<(&str, u16), RelayAddressError> {
    let port = |digits: &str| digits.parse().ok().filter(|port| *port != 0).ok_or(RelayAddressError);
    if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or(RelayAddressError)?;
        return match rest.strip_prefix(':') {
            Some(digits) => Ok((host, port(digits)?)),
            None if rest.is_empty() => Ok((host, RELAY_PORT)),
            None => Err(RelayAddressError),
        };
    }
    match text.rsplit_once(':') {
        // More than one colon: a bare IPv6 address.
        Some((head, _)) if head.contains(':') => Ok((text, RELAY_PORT)),
        Some((host, digits)) => Ok((host, port(digits)?)),
        None => Ok((text, RELAY_PORT)),
    }
}

impl fmt::Display for RelayAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_reads_back_as_written_and_nothing_shorter_or_foreign_passes() {
        let text = format!("sha256:{}", "0aF9".repeat(16));
        let pin: Pin = text.parse().unwrap();
        assert_eq!(pin.to_string(), text.to_lowercase());
        for bad in ["", "sha256:", "0a", &text[..70], &format!("{text}0"), &text.replace('F', "g"), &text[7..]] {
            assert_eq!(bad.parse::<Pin>(), Err(PinError), "{bad:?}");
        }
    }

    #[test]
    fn an_address_keeps_host_and_port_and_a_bare_host_gets_the_usual_port() {
        for (text, host, port) in [
            ("relay.example.org:1", "relay.example.org", 1),
            ("Relay.Example.org", "relay.example.org", RELAY_PORT),
            ("127.0.0.1:9", "127.0.0.1", 9),
            ("[::1]:9", "::1", 9),
            ("::1", "::1", RELAY_PORT),
        ] {
            let address: RelayAddress = text.parse().unwrap();
            assert_eq!((address.host(), address.port()), (host, port), "{text}");
            assert_eq!(address.to_string().parse::<RelayAddress>().unwrap(), address);
        }
        for bad in ["", ":1", "a b:1", "host:", "host:0", "host:65536", "[::1", "[::1]x", "http://host:1"] {
            assert_eq!(bad.parse::<RelayAddress>(), Err(RelayAddressError), "{bad:?}");
        }
    }
}
