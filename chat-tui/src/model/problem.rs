//! Why something was not done, in words for people with a next step.

/// Why something was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the sentences below tell")]
pub enum Problem {
    BadName,
    NotLoggedIn,
    BadCredentials,
    /// Something else took its place.
    Cancelled,
    /// Another device said no.
    NotLetIn,
    WeakPassword,
    UsernameTaken,
    UnknownUser,
    UnknownRoom,
    RoomExists,
    NotFound,
    FileTooLarge,
    FileUnreadable,
    FileExists,
    NotTheirPassphrase,
    NotThisFile,
    TooNew,
    WeakPassphrase,
    NotYourHistory,
    NeedsApproval,
    NoOtherDevice,
    NotTheSame,
    NumbersDiffer,
    Forbidden,
    Blocked,
    TooLarge,
    RateLimited {
        retry_after_ms: Option<u64>,
    },
    Offline,
    Timeout,
    Integrity,
    KeyChanged,
    CertificateChanged,
    RegistrationClosed,
    Io,
    Internal,
}

impl Problem {
    /// What happened and what helps, in one sentence.
    #[must_use]
    pub fn sentence(self) -> String {
        match self {
            Self::BadName => "A name has 3 to 32 letters, digits, _ - or .".into(),
            Self::NotLoggedIn => "Not signed in.".into(),
            Self::BadCredentials => "Name or password is wrong.".into(),
            Self::Cancelled => "Something else took its place.".into(),
            Self::NotLetIn => "Another device of this account said no.".into(),
            Self::WeakPassword => "The password is too easy to guess.".into(),
            Self::UsernameTaken => "This name is taken; choose another one.".into(),
            Self::UnknownUser => "Nobody on this relay has this name.".into(),
            Self::UnknownRoom => "There is no such room, or it is private.".into(),
            Self::RoomExists => "There is a room of this name already.".into(),
            Self::NotFound => "There is nothing of that kind.".into(),
            Self::FileTooLarge => "The file is larger than the relay takes.".into(),
            Self::FileUnreadable => "The file can't be read or written; does it exist, is the disk full?".into(),
            Self::FileExists => "There is a file of that name already; it was left as it is.".into(),
            Self::NotTheirPassphrase => "That is not the passphrase of this file.".into(),
            Self::NotThisFile => "This is no history that was written here, or it is damaged.".into(),
            Self::TooNew => "A newer version of the program wrote this.".into(),
            Self::WeakPassphrase => "Too easy to guess: twelve characters or more, some words that nobody says.".into(),
            Self::NotYourHistory => "That is the history of another account, or the file may not be touched.".into(),
            Self::NeedsApproval => "That is not allowed, or this device holds another account's data.".into(),
            Self::NoOtherDevice => "There is no other device of yours.".into(),
            Self::NotTheSame => "The two are not the same.".into(),
            Self::NumbersDiffer => "The numbers differ: do not trust this conversation.".into(),
            Self::Forbidden => "You are not allowed to do this.".into(),
            Self::Blocked => "You block this person; /unblock first.".into(),
            Self::TooLarge => "Too long: a message has at most 64 KiB.".into(),
            Self::RateLimited { retry_after_ms: Some(ms) } => {
                format!("Too many tries; again in {}.", duration(ms))
            }
            Self::RateLimited { retry_after_ms: None } => "Too many tries; wait a little.".into(),
            Self::Offline => "The relay can't be reached.".into(),
            Self::Timeout => "The relay did not answer in time; try again.".into(),
            Self::Integrity => "Data on this device or from the relay is damaged.".into(),
            Self::KeyChanged => "This person's identity changed; nothing is sent until you have looked into it.".into(),
            Self::CertificateChanged => {
                "The relay shows another certificate than before; nothing was sent to it.".into()
            }
            Self::RegistrationClosed => "This relay takes new accounts by invite only.".into(),
            Self::Io => "This device could not store it; is the disk full?".into(),
            Self::Internal => "Something went wrong inside; try again.".into(),
        }
    }

    /// What is behind it, in a few words, for beside a message.
    #[must_use]
    pub fn brief(self) -> &'static str {
        match self {
            Self::BadName | Self::UnknownUser => "nobody has this name",
            Self::UnknownRoom | Self::RoomExists | Self::NotFound | Self::FileUnreadable => "there is no such thing",
            Self::NotTheSame | Self::NumbersDiffer | Self::NotTheirPassphrase => "it does not match",
            Self::FileExists => "there is such a file",
            Self::NotThisFile | Self::TooNew | Self::NotYourHistory => "it can't be read",
            Self::WeakPassphrase => "too easy to guess",
            Self::NeedsApproval | Self::NotLetIn => "not allowed",
            Self::Cancelled => "given up",
            Self::NoOtherDevice => "there is no such thing",
            Self::NotLoggedIn | Self::BadCredentials | Self::WeakPassword | Self::UsernameTaken => "not signed in",
            Self::Forbidden | Self::RegistrationClosed => "not allowed",
            Self::Blocked => "you block this person",
            Self::TooLarge | Self::FileTooLarge => "too large",
            Self::RateLimited { .. } => "too many at once",
            Self::Offline | Self::Timeout => "the relay can't be reached",
            Self::Integrity | Self::CertificateChanged => "the relay can't be trusted",
            Self::KeyChanged => "their identity changed",
            Self::Io => "this device could not store it",
            Self::Internal => "something went wrong",
        }
    }
}

/// A waiting time in whole seconds or minutes, never less than it is.
fn duration(ms: u64) -> String {
    let seconds = ms.div_ceil(1000);
    match (seconds, seconds.div_ceil(60)) {
        (0 | 1, _) => "a second".into(),
        (s, _) if s < 90 => format!("{s} seconds"),
        (_, m) => format!("{m} minutes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_told_in_whole_units_and_never_too_short() {
        let wait = |ms| Problem::RateLimited { retry_after_ms: Some(ms) }.sentence();
        assert_eq!(wait(1_200), "Too many tries; again in 2 seconds.");
        assert_eq!(wait(3_000_000), "Too many tries; again in 50 minutes.");
    }
}
