//! What the limits on guessing and registering have counted, as bytes, so that a restart does not hand
//! out new tries. Everything else that is limited heals within minutes and is not worth keeping.
//!
//! `version u8 | kind u8, key length u8, key, wall time of the full bucket u64 | …`

use chat_wire::codec::{Malformed, Reader, Writer};
use chat_wire::ids::{AccountId, UserName};

use crate::clock::Now;
use crate::core::Gates;
use crate::peer::AddressKey;

const VERSION: u8 = 1;

const PASSWORDS_BY_NAME: u8 = 1;
const PASSWORDS_BY_ADDRESS: u8 = 2;
const PASSWORD_CHECKS: u8 = 3;
const REGISTRATIONS: u8 = 4;

/// Writes down what is counted.
pub(crate) fn save(gates: &Gates, now: Now) -> Vec<u8> {
    let mut out = Writer::with_capacity(1_024);
    out.u8(VERSION);
    let mut put = |kind: u8, key: &[u8], left_ms: u64| {
        let Ok(len) = u8::try_from(key.len()) else { return };
        out.u8(kind).u8(len).put(key).u64(now.wall_ms.saturating_add(left_ms));
    };
    for (name, left) in gates.passwords_by_name.owing(now.uptime_ms) {
        put(PASSWORDS_BY_NAME, name.as_str().as_bytes(), left);
    }
    for (address, left) in gates.passwords_by_address.owing(now.uptime_ms) {
        put(PASSWORDS_BY_ADDRESS, &address.0, left);
    }
    for (account, left) in gates.password_checks.owing(now.uptime_ms) {
        put(PASSWORD_CHECKS, &account.0, left);
    }
    for (address, left) in gates.registrations.owing(now.uptime_ms) {
        put(REGISTRATIONS, &address.0, left);
    }
    out.finish()
}

/// Takes over what was written down; what has healed meanwhile, and what does not read, is left out.
pub(crate) fn restore(gates: &mut Gates, bytes: &[u8], now: Now) {
    let mut reader = Reader::new(bytes);
    if reader.u8() != Ok(VERSION) {
        return;
    }
    while let Ok((kind, key, full_at_ms)) = next(&mut reader) {
        let left = full_at_ms.saturating_sub(now.wall_ms);
        match kind {
            PASSWORDS_BY_NAME => {
                let name = std::str::from_utf8(key).ok().and_then(|name| UserName::parse(name).ok());
                if let Some(name) = name {
                    gates.passwords_by_name.owe(name, left, now.uptime_ms);
                }
            }
            PASSWORDS_BY_ADDRESS => {
                if let Ok(address) = key.try_into() {
                    gates.passwords_by_address.owe(AddressKey(address), left, now.uptime_ms);
                }
            }
            PASSWORD_CHECKS => {
                if let Ok(account) = key.try_into() {
                    gates.password_checks.owe(AccountId(account), left, now.uptime_ms);
                }
            }
            REGISTRATIONS => {
                if let Ok(address) = key.try_into() {
                    gates.registrations.owe(AddressKey(address), left, now.uptime_ms);
                }
            }
            _ => {}
        }
    }
}

fn next<'a>(reader: &mut Reader<'a>) -> Result<(u8, &'a [u8], u64), Malformed> {
    let (kind, len) = (reader.u8()?, reader.u8()?);
    Ok((kind, reader.take(usize::from(len))?, reader.u64()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use crate::peer::Origin;

    fn at(ms: u64, uptime_ms: u64) -> Now {
        Now { wall_ms: ms.saturating_add(1_700_000_000_000), uptime_ms }
    }

    #[test]
    fn a_restart_hands_out_no_new_tries_and_time_heals_as_before() {
        let limits = Limits::default();
        let name = UserName::parse("alice").unwrap();
        let origin = Origin::Address(AddressKey([1; 8]));
        let mut gates = Gates::new(&limits);
        let tries = (0..100).take_while(|_| gates.try_password(&name, origin, at(0, 5)).is_ok()).count();
        assert_eq!(tries, 20);
        let bytes = save(&gates, at(0, 5));

        let mut gates = Gates::new(&limits);
        restore(&mut gates, &bytes, at(1_000, 0));
        assert!(
            gates.try_password(&name, origin, at(1_000, 0)).is_err(),
            "the relay was restarted, the guesser was not"
        );
        assert!(gates.try_password(&name, origin, at(61_000, 60_000)).is_ok(), "one a minute");
        let mut gates = Gates::new(&limits);
        restore(&mut gates, &bytes, at(24 * 60 * 60 * 1_000, 0));
        let tries = (0..100).take_while(|_| gates.try_password(&name, origin, at(0, 0)).is_ok()).count();
        assert_eq!(tries, 20, "a day later everything is forgiven");
    }

    #[test]
    fn bytes_that_are_cut_or_wrong_anywhere_harm_nothing() {
        let mut gates = Gates::new(&Limits::default());
        let name = UserName::parse("alice").unwrap();
        gates.try_password(&name, Origin::Address(AddressKey([1; 8])), at(0, 5)).unwrap();
        let bytes = save(&gates, at(0, 5));
        for cut in 0..bytes.len() {
            restore(&mut Gates::new(&Limits::default()), bytes.get(..cut).unwrap(), at(0, 0));
        }
        restore(&mut Gates::new(&Limits::default()), &[VERSION, 1, 255, 0], at(0, 0));
        restore(&mut Gates::new(&Limits::default()), b"\x09nonsense", at(0, 0));
    }
}
