//! Small forms: their keys, and what they ask of the client when they are complete.

use super::chats::{ask, toast};
use crate::keymap::{Action, Code, Key};
use crate::model::{
    AccountAsk, CodeWords, Effects, FileAsk, Form, FormDone, FormField, FormKind, Model, Name, Overlay, Problem,
    Request, RoomAsk, Screen, Value,
};

/// Who may find a room and go in; in the order of the form's choice.
const OPENNESS: [&str; 2] = ["public: everybody may join", "private: by invitation"];

/// What a new device needs; in the order of the form's choice.
const APPROVAL: [&str; 2] = ["the password is enough", "a yes here as well"];

/// Where a history is written when nothing else is said.
const EXPORT_PATH: &str = "~/chat-history";

/// Puts a form on top.
pub(super) fn open(model: &mut Model, kind: FormKind) {
    open_with(model, kind, "");
}

/// Puts a form on top whose first text begins with something.
pub(super) fn open_with(model: &mut Model, kind: FormKind, text: &str) {
    let fields = match &kind {
        FormKind::ChangePassword => {
            vec![FormField::secret("Now"), FormField::secret("New"), FormField::secret("Again")]
        }
        FormKind::DeleteAccount => vec![FormField::secret("Password")],
        FormKind::RenameDevice(_) => vec![FormField::text("Name", text)],
        FormKind::TheirNumber(_) => vec![FormField::text("Number", text)],
        FormKind::CreateRoom => vec![
            FormField::text("Name", text),
            FormField::choice("Kind", &OPENNESS),
            FormField::text("Topic", "").optional(),
        ],
        FormKind::Invite(_) => vec![FormField::text("Name", text)],
        FormKind::Topic(_) => vec![FormField::text("Topic", text).optional()],
        FormKind::SendFile(_) => vec![FormField::text("File", text), FormField::text("Caption", "").optional()],
        FormKind::Approval => vec![FormField::choice("New devices", &APPROVAL), FormField::secret("Password")],
        FormKind::Export => {
            let path = if text.is_empty() { EXPORT_PATH } else { text };
            let secret = |label| FormField::secret(label);
            vec![FormField::text("File", path), secret("Passphrase"), secret("Again")]
        }
        FormKind::Import => vec![FormField::text("File", text), FormField::secret("Passphrase")],
    };
    model.overlays.push(Overlay::Form(Box::new(Form::new(kind, fields))));
}

fn top(model: &mut Model) -> Option<&mut Form> {
    match model.overlays.last_mut() {
        Some(Overlay::Form(form)) => Some(form),
        _ => None,
    }
}

/// Does an action of the form on top.
pub(super) fn act(model: &mut Model, out: &mut Effects, action: Action) {
    let Some(form) = top(model) else { return };
    match action {
        Action::Back => drop(model.overlays.pop()),
        _ if form.busy => {}
        Action::NextField => form.step(1),
        Action::PreviousField => form.step(-1),
        Action::Complete if is_path(form) => complete(model, out),
        Action::Complete => form.step(1),
        Action::NextChoice => choose(form, 1),
        Action::Reveal => form.revealed = !form.revealed,
        Action::ClearField => clear(form),
        Action::Submit if form.at + 1 < form.fields.len() => form.step(1),
        Action::Submit => submit(model, out),
        _ => {}
    }
}

fn is_path(form: &Form) -> bool {
    form.kind.begins_with_path() && form.at == 0
}

fn clear(form: &mut Form) {
    form.problem = None;
    match form.field_mut().map(|f| &mut f.value) {
        Some(Value::Text(input)) => **input = crate::model::Input::default(),
        Some(Value::Secret(secret)) => secret.clear(),
        _ => {}
    }
}

fn choose(form: &mut Form, steps: isize) {
    if let Some(Value::Choice { words, at }) = form.field_mut().map(|f| &mut f.value) {
        let count = isize::try_from(words.len()).unwrap_or(1).max(1);
        *at = usize::try_from((isize::try_from(*at).unwrap_or(0) + steps).rem_euclid(count)).unwrap_or(0);
    }
}

/// A key that writes into the field with the cursor.
pub(super) fn key(model: &mut Model, key: Key) {
    let Some(form) = top(model).filter(|f| !f.busy) else { return };
    form.problem = None;
    match (form.field_mut().map(|f| &mut f.value), key.code) {
        (Some(Value::Text(input)), _) => drop(input.key(key)),
        (Some(Value::Secret(secret)), Code::Backspace) => secret.pop(),
        (Some(Value::Secret(secret)), _) => {
            if let Some(c) = key.written() {
                secret.push(c);
            }
        }
        (Some(Value::Choice { .. }), Code::Left) => choose(form, -1),
        (Some(Value::Choice { .. }), Code::Right | Code::Char(' ')) => choose(form, 1),
        _ => {}
    }
}

/// A paste into the field with the cursor.
pub(super) fn paste(model: &mut Model, text: &str) {
    let Some(form) = top(model).filter(|f| !f.busy) else { return };
    form.problem = None;
    match form.field_mut().map(|f| &mut f.value) {
        Some(Value::Text(input)) => input.paste(text),
        Some(Value::Secret(secret)) => secret.paste(text),
        _ => {}
    }
}

/// Asks what the path may become.
fn complete(model: &mut Model, out: &mut Effects) {
    let number = model.next_number();
    if let Some(form) = top(model) {
        let typed = form.text(0);
        ask(out, Request::File(FileAsk::Complete { typed, number }));
    }
}

/// What a path in a form may become; tells whether a form waited for it.
pub(super) fn completed(model: &mut Model, common: &str) -> bool {
    let Some(form) = top(model).filter(|f| is_path(f)) else { return false };
    if let Some(Value::Text(input)) = form.field_mut().map(|f| &mut f.value)
        && common.len() > input.text().trim().len()
    {
        **input = crate::model::Input::with(common);
    }
    true
}

/// Enter on the last field: what is missing gets the cursor, else it is carried out.
fn submit(model: &mut Model, out: &mut Effects) {
    let Some(form) = top(model) else { return };
    if let Some(missing) = form.fields.iter().position(FormField::missing) {
        form.at = missing;
        return;
    }
    match request(form) {
        Ok(request) => {
            form.busy = true;
            form.problem = None;
            ask(out, request);
        }
        Err(problem) => form.problem = Some(problem),
    }
}

fn request(form: &Form) -> Result<Request, Problem> {
    let name = |at: usize| {
        let text = form.text(at);
        let bare = text.trim_start_matches(['@', '#']);
        if is_name(bare) { Ok(Name::new(bare)) } else { Err(Problem::BadName) }
    };
    Ok(match &form.kind {
        FormKind::ChangePassword => {
            let (old, new, again) = (form.secret(0), form.secret(1), form.secret(2));
            if new.expose() != again.expose() {
                return Err(Problem::NotTheSame);
            }
            Request::Account(AccountAsk::ChangePassword { old, new })
        }
        FormKind::DeleteAccount => Request::Account(AccountAsk::DeleteAccount { password: form.secret(0) }),
        FormKind::RenameDevice(id) => Request::Account(AccountAsk::RenameDevice { id: *id, name: form.text(0) }),
        FormKind::TheirNumber(whom) => {
            Request::Account(AccountAsk::Confirm { name: whom.clone(), theirs: form.text(0) })
        }
        FormKind::CreateRoom => {
            let topic = Some(form.text(2)).filter(|t| !t.is_empty());
            let name = Name::new(&format!("#{}", name(0)?));
            Request::Room(RoomAsk::Create { name, public: form.chosen(1) == 0, topic })
        }
        FormKind::Invite(room) => Request::Room(RoomAsk::Invite { room: room.clone(), who: name(0)? }),
        FormKind::Topic(room) => Request::Room(RoomAsk::SetTopic { room: room.clone(), topic: form.text(0) }),
        FormKind::Approval => {
            Request::Account(AccountAsk::SetApproval { on: form.chosen(0) == 1, password: form.secret(1) })
        }
        FormKind::Export => {
            let (passphrase, again) = (form.secret(1), form.secret(2));
            if passphrase.expose() != again.expose() {
                return Err(Problem::NotTheSame);
            }
            Request::Account(AccountAsk::Export { path: form.text(0), passphrase })
        }
        FormKind::Import => Request::Account(AccountAsk::Import { path: form.text(0), passphrase: form.secret(1) }),
        FormKind::SendFile(to) => {
            let caption = Some(form.text(1)).filter(|t| !t.is_empty());
            Request::File(FileAsk::Send { to: to.clone(), path: form.text(0), caption })
        }
    })
}

/// Whether a text can be the name of a person or, without its sign, of a room.
pub(super) fn is_name(text: &str) -> bool {
    (3..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
}

/// What the form on top was for is done, or not.
pub(super) fn done(model: &mut Model, out: &mut Effects, result: Result<FormDone, Problem>) {
    match result {
        Ok(done) => {
            if top(model).is_some_and(|form| form.busy) {
                model.overlays.pop();
            }
            if let Some(code) = done.code {
                model.overlays.clear();
                model.screen = Screen::Code(Box::new(CodeWords::new(code, model.now.ms)));
            }
            if !done.says.is_empty() {
                toast(model, out, done.says.as_str());
            }
        }
        Err(problem) => match top(model).filter(|form| form.busy) {
            Some(form) => {
                (form.busy, form.problem) = (false, Some(problem));
                if problem == Problem::BadCredentials {
                    form.clear_secrets();
                    form.at = 0;
                }
            }
            None => super::chats::complain(model, out, &problem.sentence()),
        },
    }
}
