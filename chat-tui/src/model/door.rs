//! Signing in and registering, up to the recovery code.

use super::input::{Input, Secret};
use super::{Name, Problem};
use crate::text::SafeText;

/// Characters of a password, at least.
const PASSWORD_CHARS_MIN: usize = 8;

/// What is wanted at the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// An existing account.
    #[default]
    SignIn,
    /// A new account.
    Register,
    /// A forgotten password, by the recovery code.
    Recover,
}

/// One field of the form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Field {
    #[default]
    Server,
    Name,
    Code,
    Password,
    Display,
    Device,
    Invite,
    SwitchMode,
}

/// What is known of the relay before anything secret is typed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum RelayCheck {
    /// Being asked.
    #[default]
    Asking,
    /// It is the one that it says, by the system's roots.
    Rooted,
    /// It is the one that was confirmed before, or that was named at the start.
    Pinned,
    /// There is no address yet.
    Unnamed,
    /// Nobody vouches for its certificate; the person must look.
    FirstUse {
        /// Fingerprint of its key.
        pin: [u8; 32],
    },
    /// It can't be used.
    Failed(Problem),
}

/// What a password lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Gaps {
    /// Shorter than 8 characters.
    pub length: bool,
    /// Without a capital.
    pub capital: bool,
    /// Without a digit.
    pub digit: bool,
    /// Easy to guess.
    pub common: bool,
    /// Good enough, but a longer one would be better.
    pub advised: bool,
}

impl Gaps {
    /// Whether the password is refused.
    #[must_use]
    pub fn refused(self) -> bool {
        self.length || self.capital || self.digit || self.common
    }
}

/// The form.
#[derive(Debug)]
pub struct Door {
    /// What is wanted.
    pub mode: Mode,
    /// The field with the cursor.
    pub field: Field,
    /// The relay's address.
    pub server: Input,
    /// User name.
    pub name: Input,
    /// Password.
    pub password: Secret,
    /// The password is readable.
    pub revealed: bool,
    /// Display name.
    pub display: Input,
    /// Name of this device.
    pub device: Input,
    /// Invite code.
    pub invite: Input,
    /// The relay wants an invite code.
    pub invite_wanted: bool,
    /// What is known of the relay.
    pub relay: RelayCheck,
    /// The address that was asked last, so that a change of the field asks again.
    pub asked: String,
    /// What the password lacks, once a check of this very password is answered.
    pub gaps: Option<Gaps>,
    /// Number of the check under way: there is one at a time.
    pub checking: Option<u64>,
    /// The password changed since the check under way was asked for.
    pub outdated: bool,
    /// Somebody's profile: the name can't be changed.
    pub enrolled: Option<Name>,
    /// Registering or signing in is under way.
    pub busy: bool,
    /// Another device is to let this one in: the code to compare.
    pub awaits: Option<SafeText>,
    /// Why the last try failed.
    pub problem: Option<Problem>,
    /// The recovery code.
    pub code: Secret,
    /// Why the person is here although signed in before.
    pub why: Option<SafeText>,
}

impl Door {
    /// An empty form.
    #[must_use]
    pub fn new(mode: Mode, server: &str, device: &str) -> Self {
        Self {
            mode,
            field: Field::Name,
            server: Input::with(server),
            name: Input::default(),
            password: Secret::default(),
            revealed: false,
            display: Input::default(),
            device: Input::with(device),
            invite: Input::default(),
            invite_wanted: false,
            relay: RelayCheck::Asking,
            asked: server.to_owned(),
            gaps: None,
            checking: None,
            outdated: false,
            enrolled: None,
            busy: false,
            awaits: None,
            problem: None,
            code: Secret::default(),
            why: None,
        }
    }

    /// The fields of this mode, in order.
    #[must_use]
    pub fn fields(&self) -> Vec<Field> {
        match (self.mode, &self.enrolled, self.invite_wanted) {
            (Mode::SignIn, Some(_), _) => vec![Field::Password],
            (Mode::SignIn, None, _) => {
                vec![Field::Server, Field::Name, Field::Password, Field::Device, Field::SwitchMode]
            }
            (Mode::Recover, Some(_), _) => vec![Field::Code, Field::Password],
            (Mode::Recover, None, _) => {
                vec![Field::Server, Field::Name, Field::Code, Field::Password, Field::Device, Field::SwitchMode]
            }
            (Mode::Register, _, false) => {
                vec![Field::Server, Field::Name, Field::Password, Field::Display, Field::Device, Field::SwitchMode]
            }
            (Mode::Register, _, true) => vec![
                Field::Server,
                Field::Name,
                Field::Password,
                Field::Display,
                Field::Device,
                Field::Invite,
                Field::SwitchMode,
            ],
        }
    }

    /// The field `steps` further, around the ends.
    pub fn step(&mut self, steps: isize) {
        let fields = self.fields();
        let at = fields.iter().position(|f| *f == self.field).unwrap_or(0);
        let count = isize::try_from(fields.len()).unwrap_or(1).max(1);
        let to = (isize::try_from(at).unwrap_or(0) + steps).rem_euclid(count);
        if let Some(field) = usize::try_from(to).ok().and_then(|i| fields.get(i)) {
            self.field = *field;
        }
    }

    /// The editor of the field with the cursor; none for the password and the switch.
    pub fn input(&mut self) -> Option<&mut Input> {
        match self.field {
            Field::Server => Some(&mut self.server),
            Field::Name => Some(&mut self.name),
            Field::Display => Some(&mut self.display),
            Field::Device => Some(&mut self.device),
            Field::Invite => Some(&mut self.invite),
            Field::Password | Field::Code | Field::SwitchMode => None,
        }
    }

    /// The secret of the field with the cursor.
    pub fn secret(&mut self) -> Option<&mut Secret> {
        match self.field {
            Field::Password => Some(&mut self.password),
            Field::Code => Some(&mut self.code),
            _ => None,
        }
    }

    /// Whether a new password is chosen here, which the policy measures.
    #[must_use]
    pub fn new_password(&self) -> bool {
        matches!(self.mode, Mode::Register | Mode::Recover)
    }

    /// What the password lacks that one sees at once: length, a capital, a digit.
    #[must_use]
    pub fn plain_gaps(&self) -> [bool; 3] {
        let text = self.password.expose();
        [
            self.password.chars() < PASSWORD_CHARS_MIN,
            !text.chars().any(char::is_uppercase),
            !text.chars().any(char::is_numeric),
        ]
    }

    /// Whether the password is known to be refused.
    #[must_use]
    pub fn refused(&self) -> bool {
        self.plain_gaps().contains(&true) || self.gaps.is_some_and(Gaps::refused)
    }

    /// Whether a secret may be typed: the relay is the one that it says.
    #[must_use]
    pub fn relay_trusted(&self) -> bool {
        matches!(self.relay, RelayCheck::Rooted | RelayCheck::Pinned)
    }
}

/// Groups of the recovery code.
const CODE_GROUPS: u64 = 8;

/// What the person does with the recovery code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeStage {
    /// It is shown to be written down.
    Shown,
    /// It is hidden, and one group is asked for.
    Asked,
    /// The group that was typed is another one.
    Wrong,
}

/// The recovery code of a new account.
#[derive(Debug)]
pub struct CodeWords {
    /// The code as it came.
    pub code: Secret,
    /// What the person does.
    pub stage: CodeStage,
    /// Number of the group that is asked for, from 1.
    pub group: usize,
    /// What is typed.
    pub typed: Input,
}

impl CodeWords {
    /// A code to be shown. Which group is asked for follows from the time, so that a habit does not help.
    #[must_use]
    pub fn new(code: Secret, now_ms: u64) -> Self {
        let group = usize::try_from(now_ms / 10 % CODE_GROUPS).unwrap_or(0) + 1;
        let mut words = Self { code, stage: CodeStage::Shown, group, typed: Input::default() };
        words.group = words.group.min(words.groups().count().max(1));
        words
    }

    /// The groups of the code.
    pub fn groups(&self) -> impl Iterator<Item = SafeText> {
        self.code.expose().split([' ', '-']).filter(|g| !g.is_empty()).map(SafeText::line)
    }

    /// Whether the typed group is the one that is asked for.
    #[must_use]
    pub fn matches(&self) -> bool {
        let wanted = self.groups().nth(self.group.saturating_sub(1));
        wanted.is_some_and(|w| w.as_str().eq_ignore_ascii_case(self.typed.text().trim()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words() -> CodeWords {
        let mut code = Secret::default();
        code.paste("AAAAA-BBBBB-CCCCC-DDDDD-EEEEE-FFFFF-GGGGG-HHHHH");
        CodeWords::new(code, 20)
    }

    #[test]
    fn only_the_group_that_is_asked_for_opens() {
        let mut words = words();
        assert_eq!(words.group, 3);
        words.typed = Input::with(" ccccc ");
        assert!(words.matches());
        words.typed = Input::with("AAAAA");
        assert!(!words.matches());
        words.typed = Input::with("");
        assert!(!words.matches());
    }

    #[test]
    fn length_capital_and_digit_are_seen_at_once_in_every_script() {
        let mut door = Door::new(Mode::Register, "relay", "pc");
        let lacks = [
            ("Sh0rt", [true, false, false]),
            ("all lowercase 7", [false, true, false]),
            ("ALL UPPERCASE", [false, false, true]),
            ("Äffchen tanzt ٣", [false, false, false]),
            ("", [true, true, true]),
        ];
        for (text, gaps) in lacks {
            door.password.clear();
            door.password.paste(text);
            assert_eq!(door.plain_gaps(), gaps, "{text}");
        }
    }

    #[test]
    fn an_enrolled_profile_asks_for_the_password_only() {
        let mut door = Door::new(Mode::SignIn, "relay", "pc");
        door.enrolled = Some(Name::new("alice"));
        assert_eq!(door.fields(), [Field::Password]);
    }
}
