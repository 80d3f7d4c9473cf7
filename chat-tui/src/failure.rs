//! Names and sentences of failures, the same in the terminal and over JSON-RPC.

use chat_client::FailureKind;

/// The kind as the contract spells it.
#[must_use]
pub fn kind_name(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::InvalidParams => "InvalidParams",
        FailureKind::NotLoggedIn => "NotLoggedIn",
        FailureKind::BadCredentials => "BadCredentials",
        FailureKind::NotLetIn => "NotLetIn",
        FailureKind::WeakPassword => "WeakPassword",
        FailureKind::UsernameTaken => "UsernameTaken",
        FailureKind::UnknownUser => "UnknownUser",
        FailureKind::UnknownRoom => "UnknownRoom",
        FailureKind::RoomExists => "RoomExists",
        FailureKind::UnknownMessage => "UnknownMessage",
        FailureKind::Forbidden => "Forbidden",
        FailureKind::Blocked => "Blocked",
        FailureKind::TooLarge => "TooLarge",
        FailureKind::RateLimited => "RateLimited",
        FailureKind::Offline => "Offline",
        FailureKind::Timeout => "Timeout",
        FailureKind::NotFound => "NotFound",
        FailureKind::Integrity => "Integrity",
        FailureKind::KeyChanged => "KeyChanged",
        FailureKind::ProfileInUse => "ProfileInUse",
        FailureKind::StoreTooNew => "StoreTooNew",
        FailureKind::StoreLocked => "StoreLocked",
        FailureKind::WrongPassphrase => "WrongPassphrase",
        FailureKind::CertificateChanged => "CertificateChanged",
        FailureKind::RegistrationClosed => "RegistrationClosed",
        FailureKind::Cancelled => "Cancelled",
        FailureKind::FileExists => "FileExists",
        FailureKind::Io => "Io",
        _ => "Internal",
    }
}

/// One sentence for a person: what is the matter, and what to do about it.
#[must_use]
pub fn sentence(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::InvalidParams => "One of the values is not of the kind that is wanted here.",
        FailureKind::NotLoggedIn => "Log in first.",
        FailureKind::BadCredentials => "The name, the password or the passphrase is wrong.",
        FailureKind::NotLetIn => "Another device of the account was asked and did not let this one in.",
        FailureKind::WeakPassword => {
            "The password is too weak: 8 characters, a capital, a digit, and nothing that is easily guessed."
        }
        FailureKind::UsernameTaken => "That name is taken.",
        FailureKind::UnknownUser => "There is nobody of that name.",
        FailureKind::UnknownRoom => "There is no such room.",
        FailureKind::RoomExists => "A room of that name exists.",
        FailureKind::UnknownMessage => "There is no such message in this conversation.",
        FailureKind::Forbidden => "That is not allowed.",
        FailureKind::Blocked => "You block this person; unblock first.",
        FailureKind::TooLarge => "That is too large.",
        FailureKind::RateLimited => "That was too often; try again later.",
        FailureKind::Offline => "The relay can't be reached, and this needs it.",
        FailureKind::Timeout => "No answer came in time; it may have been done all the same.",
        FailureKind::NotFound => "There is nothing of that kind.",
        FailureKind::Integrity => "The data does not fit together; it was left untouched.",
        FailureKind::KeyChanged => "This person's identity changed; nothing is sent until that is looked at.",
        FailureKind::ProfileInUse => "Another program has this profile open.",
        FailureKind::StoreTooNew => "A newer version wrote this; use that version.",
        FailureKind::StoreLocked => "This profile is locked: its passphrase or the system's keyring opens it.",
        FailureKind::WrongPassphrase => "The passphrase is wrong.",
        FailureKind::CertificateChanged => "The relay shows another certificate than the one trusted before.",
        FailureKind::RegistrationClosed => "This relay takes no new accounts.",
        FailureKind::Cancelled => "It was cancelled.",
        FailureKind::FileExists => "There is a file of that name already; it was left as it is.",
        FailureKind::Io => "Reading or writing failed.",
        _ => "Something went wrong inside the program.",
    }
}

/// Every kind that this version knows.
pub const KINDS: [FailureKind; 29] = [
    FailureKind::InvalidParams,
    FailureKind::NotLoggedIn,
    FailureKind::BadCredentials,
    FailureKind::NotLetIn,
    FailureKind::WeakPassword,
    FailureKind::UsernameTaken,
    FailureKind::UnknownUser,
    FailureKind::UnknownRoom,
    FailureKind::RoomExists,
    FailureKind::UnknownMessage,
    FailureKind::Forbidden,
    FailureKind::Blocked,
    FailureKind::TooLarge,
    FailureKind::RateLimited,
    FailureKind::Offline,
    FailureKind::Timeout,
    FailureKind::NotFound,
    FailureKind::Integrity,
    FailureKind::KeyChanged,
    FailureKind::ProfileInUse,
    FailureKind::StoreTooNew,
    FailureKind::StoreLocked,
    FailureKind::WrongPassphrase,
    FailureKind::CertificateChanged,
    FailureKind::RegistrationClosed,
    FailureKind::Cancelled,
    FailureKind::FileExists,
    FailureKind::Io,
    FailureKind::Internal,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_spelt_as_in_the_contract_and_has_a_sentence() {
        for kind in KINDS {
            assert_eq!(kind_name(kind), format!("{kind:?}"));
            assert!(sentence(kind).ends_with('.'), "{kind:?}");
        }
    }
}
