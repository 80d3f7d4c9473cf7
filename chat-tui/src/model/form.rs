//! A small form on top of the screen: some fields, and what they are for.

use super::input::{Input, Secret};
use super::{Name, Problem};

/// What a form is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FormKind {
    /// Another password.
    ChangePassword,
    /// The end of the account.
    DeleteAccount,
    /// Another name for a device.
    RenameDevice(u32),
    /// The other one's number or code, compared by the program.
    TheirNumber(Name),
    /// A new room.
    CreateRoom,
    /// Somebody into a room.
    Invite(Name),
    /// The topic of a room.
    Topic(Name),
    /// A file to somebody or into a room.
    SendFile(Name),
    /// Whether a new device needs more than the password.
    Approval,
    /// The history into a file.
    Export,
    /// The history out of a file.
    Import,
}

impl FormKind {
    /// Whether its first field is a path.
    #[must_use]
    pub fn begins_with_path(&self) -> bool {
        matches!(self, Self::SendFile(_) | Self::Export | Self::Import)
    }
}

/// What stands in a field.
#[derive(Debug)]
pub enum Value {
    /// A text.
    Text(Box<Input>),
    /// A secret.
    Secret(Secret),
    /// One of some words.
    Choice {
        /// The words.
        words: &'static [&'static str],
        /// Which.
        at: usize,
    },
}

/// A field.
#[derive(Debug)]
pub struct FormField {
    /// What it is called.
    pub label: &'static str,
    /// What stands in it.
    pub value: Value,
    /// It may stay empty.
    pub optional: bool,
}

/// A form.
#[derive(Debug)]
pub struct Form {
    /// What it is for.
    pub kind: FormKind,
    /// Its fields, at least one.
    pub fields: Vec<FormField>,
    /// The field with the cursor.
    pub at: usize,
    /// Secrets are readable.
    pub revealed: bool,
    /// It is being carried out.
    pub busy: bool,
    /// Why the last try failed.
    pub problem: Option<Problem>,
}

impl FormField {
    /// A text that may begin with something.
    #[must_use]
    pub fn text(label: &'static str, text: &str) -> Self {
        Self { label, value: Value::Text(Box::new(Input::with(text))), optional: false }
    }

    /// A secret.
    #[must_use]
    pub fn secret(label: &'static str) -> Self {
        Self { label, value: Value::Secret(Secret::default()), optional: false }
    }

    /// One of some words, the first at the start.
    #[must_use]
    pub fn choice(label: &'static str, words: &'static [&'static str]) -> Self {
        Self { label, value: Value::Choice { words, at: 0 }, optional: false }
    }

    /// The same, and it may stay empty.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// Whether something needed is missing.
    #[must_use]
    pub fn missing(&self) -> bool {
        !self.optional
            && match &self.value {
                Value::Text(input) => input.text().trim().is_empty(),
                Value::Secret(secret) => secret.chars() == 0,
                Value::Choice { .. } => false,
            }
    }
}

impl Form {
    /// A form with the cursor in its first field.
    #[must_use]
    pub fn new(kind: FormKind, fields: Vec<FormField>) -> Self {
        Self { kind, fields, at: 0, revealed: false, busy: false, problem: None }
    }

    /// The field with the cursor.
    pub fn field_mut(&mut self) -> Option<&mut FormField> {
        self.fields.get_mut(self.at)
    }

    /// The field `steps` further, around the ends.
    pub fn step(&mut self, steps: isize) {
        let count = isize::try_from(self.fields.len()).unwrap_or(1).max(1);
        let at = isize::try_from(self.at).unwrap_or(0);
        self.at = usize::try_from((at + steps).rem_euclid(count)).unwrap_or(0);
    }

    /// The text of a field, trimmed.
    #[must_use]
    pub fn text(&self, at: usize) -> String {
        match self.fields.get(at).map(|f| &f.value) {
            Some(Value::Text(input)) => input.text().trim().to_owned(),
            _ => String::new(),
        }
    }

    /// A copy of the secret in a field.
    #[must_use]
    pub fn secret(&self, at: usize) -> Secret {
        match self.fields.get(at).map(|f| &f.value) {
            Some(Value::Secret(secret)) => secret.copy(),
            _ => Secret::default(),
        }
    }

    /// Which word of a field is chosen.
    #[must_use]
    pub fn chosen(&self, at: usize) -> usize {
        match self.fields.get(at).map(|f| &f.value) {
            Some(Value::Choice { at, .. }) => *at,
            _ => 0,
        }
    }

    /// Whether it has a secret in it.
    #[must_use]
    pub fn has_secret(&self) -> bool {
        self.fields.iter().any(|f| matches!(f.value, Value::Secret(_)))
    }

    /// Wipes its secrets.
    pub fn clear_secrets(&mut self) {
        for field in &mut self.fields {
            if let Value::Secret(secret) = &mut field.value {
                secret.clear();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_goes_around_and_an_empty_field_that_is_needed_is_missing() {
        let fields = vec![FormField::secret("Now"), FormField::text("Topic", "").optional()];
        let mut form = Form::new(FormKind::ChangePassword, fields);
        form.step(-1);
        assert_eq!(form.at, 1);
        form.step(1);
        assert_eq!(form.at, 0);
        assert_eq!(form.fields.iter().map(FormField::missing).collect::<Vec<_>>(), [true, false]);
    }
}
