//! Signing in, registering, the relay's certificate, the recovery code.

use super::chats::{ask, complain, toast};
use super::forms::is_name;
use crate::keymap::{Action, Code, Key};
use crate::model::{
    Ask, AskKind, Certificate, CodeStage, CodeWords, Door, Effect, Effects, Field, Gaps, Mode, Model, Name, NewAccount,
    Overlay, Problem, Recovery, RelayCheck, Request, Screen, Secret, SignIn, SignedIn,
};
use crate::text::SafeText;

/// Opens the form and asks the relay who it is.
pub(super) fn open_for(model: &mut Model, out: &mut Effects, enrolled: Option<Name>) {
    let mode = if model.home.register && enrolled.is_none() { Mode::Register } else { Mode::SignIn };
    let mut door = Door::new(mode, model.relay.as_str(), &model.home.device);
    door.enrolled = enrolled;
    if door.enrolled.is_some() {
        door.field = Field::Password;
    } else if door.server.is_empty() {
        door.field = Field::Server;
        door.relay = RelayCheck::Unnamed;
        model.screen = Screen::Door(Box::new(door));
        return;
    }
    ask(out, Request::CheckRelay { server: door.asked.clone() });
    model.screen = Screen::Door(Box::new(door));
}

/// The relay's address became known: a form that waits for one takes it.
pub(super) fn relay_named(model: &mut Model, out: &mut Effects, relay: SafeText) {
    if let Screen::Door(door) = &mut model.screen
        && door.relay == RelayCheck::Unnamed
        && door.server.is_empty()
    {
        door.server = crate::model::Input::with(relay.as_str());
        door.field = if door.field == Field::Server { Field::Name } else { door.field };
        model.relay = relay;
        return check_relay(model, out);
    }
    model.relay = relay;
}

/// Does an action of the form.
pub(super) fn act(model: &mut Model, out: &mut Effects, action: Action) {
    let Screen::Door(door) = &mut model.screen else { return };
    if door.busy && door.awaits.is_some() && action == Action::Recover {
        // The other way in; the wish to be let in ends when the code is sent.
        (door.busy, door.awaits) = (false, None);
    }
    if door.busy {
        return;
    }
    match action {
        Action::NextField => step(model, out, 1),
        Action::PreviousField => step(model, out, -1),
        Action::Reveal => door.revealed = !door.revealed,
        Action::SwitchMode => switch_mode(model, out, Mode::Register),
        Action::Recover => switch_mode(model, out, Mode::Recover),
        Action::CheckRelay => check_relay(model, out),
        Action::ClearField => {
            match door.input() {
                Some(input) => *input = crate::model::Input::default(),
                None => door.secret().map_or((), Secret::clear),
            }
            edited(model, out);
        }
        Action::Submit => submit(model, out),
        _ => {}
    }
}

/// A key that writes into a field.
pub(super) fn key(model: &mut Model, out: &mut Effects, key: Key) {
    let Screen::Door(door) = &mut model.screen else { return };
    if door.busy {
        return;
    }
    match (door.field, key.code) {
        (Field::SwitchMode, _) => return,
        (Field::Password | Field::Code, _) if !door.relay_trusted() => return relay_first(model, out),
        (Field::Password | Field::Code, code) => {
            let Some(secret) = door.secret() else { return };
            match (code, key.written()) {
                (Code::Backspace, _) => secret.pop(),
                (_, Some(c)) => secret.push(c),
                _ => return,
            }
        }
        _ => {
            if !door.input().is_some_and(|i| i.key(key)) {
                return;
            }
        }
    }
    edited(model, out);
}

/// A paste into a field.
pub(super) fn paste(model: &mut Model, out: &mut Effects, text: &str) {
    let Screen::Door(door) = &mut model.screen else { return };
    match door.field {
        Field::Password | Field::Code if !door.relay_trusted() => return relay_first(model, out),
        Field::Password | Field::Code => door.secret().map_or((), |secret| secret.paste(text)),
        _ => {
            if let Some(input) = door.input() {
                input.paste(text);
            }
        }
    }
    edited(model, out);
}

/// Nothing secret is typed for a relay that is not known.
fn relay_first(model: &mut Model, out: &mut Effects) {
    let Screen::Door(door) = &model.screen else { return };
    match door.relay {
        RelayCheck::FirstUse { pin } => show_certificate(model, pin),
        RelayCheck::Asking => complain(model, out, "One moment: the relay has not answered yet."),
        _ => complain(model, out, "First the relay must be reached; F5 tries again."),
    }
}

/// A field changed: old complaints are gone, the password is measured anew.
fn edited(model: &mut Model, out: &mut Effects) {
    let Screen::Door(door) = &mut model.screen else { return };
    door.problem = None;
    if matches!(door.field, Field::Password | Field::Name) {
        measure(model, out);
    }
}

/// Lets the password be measured, one check at a time: what is typed meanwhile waits, and only the newest
/// of it is measured next.
fn measure(model: &mut Model, out: &mut Effects) {
    let number = model.next_number();
    let Screen::Door(door) = &mut model.screen else { return };
    door.gaps = None;
    if door.checking.is_some() {
        door.outdated = true;
    } else if door.new_password() && door.password.chars() > 0 {
        (door.checking, door.outdated) = (Some(number), false);
        let (password, name) = (door.password.copy(), Name::new(door.name.text()));
        ask(out, Request::CheckPassword { password, name, number });
    }
}

/// What a password lacks.
pub(super) fn gaps(model: &mut Model, out: &mut Effects, number: u64, gaps: Gaps) {
    let Screen::Door(door) = &mut model.screen else { return };
    if door.checking.take_if(|n| *n == number).is_none() {
        return;
    }
    if door.outdated {
        return measure(model, out);
    }
    door.gaps = Some(gaps);
}

fn step(model: &mut Model, out: &mut Effects, steps: isize) {
    let Screen::Door(door) = &mut model.screen else { return };
    let left = door.field;
    door.step(steps);
    if left == Field::Server && door.server.text() != door.asked {
        check_relay(model, out);
    }
}

/// Puts the cursor into a field, by its place.
pub(super) fn focus(model: &mut Model, out: &mut Effects, place: usize) {
    let Screen::Door(door) = &mut model.screen else { return };
    let left = door.field;
    match door.fields().get(place) {
        Some(Field::SwitchMode) => return switch_mode(model, out, Mode::Register),
        Some(field) => door.field = *field,
        None => return,
    }
    if left == Field::Server && door.server.text() != door.asked {
        check_relay(model, out);
    }
}

/// To signing in, or from there to another way in.
fn switch_mode(model: &mut Model, out: &mut Effects, other: Mode) {
    let Screen::Door(door) = &mut model.screen else { return };
    if door.enrolled.is_some() && other == Mode::Register {
        return;
    }
    let before = door.mode;
    door.mode =
        if door.mode == Mode::SignIn || other == Mode::Recover && door.mode != other { other } else { Mode::SignIn };
    door.problem = None;
    door.code.clear();
    // What was typed comes along; but a password that was forgotten is not the new one.
    if before == Mode::Recover || door.mode == Mode::Recover {
        door.password.clear();
    }
    let fields = door.fields();
    if !fields.contains(&door.field) || door.field == Field::SwitchMode {
        let first = fields.iter().find(|f| **f != Field::Server);
        door.field = first.copied().unwrap_or_default();
    }
    measure(model, out);
}

fn check_relay(model: &mut Model, out: &mut Effects) {
    let Screen::Door(door) = &mut model.screen else { return };
    // A password is meant for the relay that it was typed for.
    if door.server.text() != door.asked {
        door.password.clear();
        door.code.clear();
    }
    door.relay = RelayCheck::Asking;
    door.asked = door.server.text().trim().to_owned();
    ask(out, Request::CheckRelay { server: door.asked.clone() });
}

/// Who the relay is.
pub(super) fn relay(model: &mut Model, server: &str, check: RelayCheck) {
    let Screen::Door(door) = &mut model.screen else { return };
    if door.asked != server {
        return;
    }
    door.relay = check;
    if let RelayCheck::FirstUse { pin } = door.relay {
        show_certificate(model, pin);
    }
}

fn show_certificate(model: &mut Model, pin: [u8; 32]) {
    let Screen::Door(door) = &model.screen else { return };
    let relay = SafeText::line(&door.asked);
    if !model.overlays.iter().any(|o| matches!(o, Overlay::Certificate(_))) {
        model.overlays.push(Overlay::Certificate(Certificate { relay, pin }));
    }
}

/// The answer about the certificate.
pub(super) fn decide_certificate(model: &mut Model, out: &mut Effects, trusted: bool) {
    let Some(Overlay::Certificate(certificate)) = model.overlays.pop() else { return };
    if trusted {
        if let Screen::Door(door) = &mut model.screen {
            door.relay = RelayCheck::Asking;
        }
        ask(out, Request::TrustRelay { pin: certificate.pin });
    } else {
        complain(model, out, "Not trusted, and nothing was sent. F5 shows the certificate again.");
    }
}

/// Enter: the next field, or what the form is for.
fn submit(model: &mut Model, out: &mut Effects) {
    let Screen::Door(door) = &mut model.screen else { return };
    if door.field == Field::SwitchMode {
        return switch_mode(model, out, Mode::Register);
    }
    let ready = door.password.chars() > 0 && (door.enrolled.is_some() || !door.name.is_empty());
    let ready = ready && (door.mode != Mode::Recover || door.code.chars() > 0);
    if !ready || matches!(door.field, Field::Server | Field::Name | Field::Code) {
        return step(model, out, 1);
    }
    if !door.relay_trusted() {
        return relay_first(model, out);
    }
    let name = door.enrolled.clone().unwrap_or_else(|| Name::new(door.name.text()));
    if !is_name(name.as_str()) {
        (door.problem, door.field) = (Some(Problem::BadName), Field::Name);
        return;
    }
    // A check that is not answered yet is not waited for: the client checks again.
    if door.new_password() && door.refused() {
        (door.problem, door.field) = (Some(Problem::WeakPassword), Field::Password);
        return;
    }
    door.busy = true;
    door.problem = None;
    let optional = |input: &crate::model::Input| Some(input.text().trim().to_owned()).filter(|t| !t.is_empty());
    let (password, device) = (door.password.copy(), optional(&door.device));
    let request = match door.mode {
        Mode::Register => {
            let (display, invite) = (optional(&door.display), optional(&door.invite));
            Request::Register(Box::new(NewAccount { name, password, display, device, invite }))
        }
        Mode::SignIn => Request::SignIn(Box::new(SignIn { name, password, device })),
        Mode::Recover => {
            let code = door.code.copy();
            Request::Recover(Box::new(Recovery { name, code, password, device }))
        }
    };
    ask(out, request);
}

/// The relay let the person in, or not.
pub(super) fn signed_in(model: &mut Model, out: &mut Effects, result: Result<SignedIn, Problem>) {
    let Screen::Door(door) = &mut model.screen else { return };
    if result.as_ref().is_err_and(|problem| *problem == Problem::Cancelled) {
        // A recovery took the place of a login that waited.
        return;
    }
    (door.busy, door.awaits) = (false, None);
    match result {
        Ok(done) => {
            let name = done.me.name.clone();
            model.me = Some(done.me);
            model.screen = match done.code {
                Some(code) => Screen::Code(Box::new(CodeWords::new(code, model.now.ms))),
                None => Screen::Main,
            };
            model.list_shown = !model.narrow();
            // Beside a code that is shown only once nothing else is told.
            if matches!(model.screen, Screen::Main) {
                toast(model, out, &format!("Signed in as {name}."));
            }
            ask(out, Request::Start);
        }
        Err(problem) => {
            door.problem = Some(problem);
            match problem {
                Problem::BadCredentials if door.mode == Mode::Recover => door.field = Field::Code,
                Problem::BadCredentials => {
                    door.password.clear();
                    door.field = Field::Password;
                }
                Problem::WeakPassword => door.field = Field::Password,
                Problem::UsernameTaken | Problem::BadName => door.field = Field::Name,
                Problem::RegistrationClosed => (door.invite_wanted, door.field) = (true, Field::Invite),
                Problem::Offline | Problem::CertificateChanged => door.relay = RelayCheck::Failed(problem),
                _ => {}
            }
        }
    }
}

/// An action on the screen of the recovery code.
pub(super) fn code_act(model: &mut Model, out: &mut Effects, action: Action) {
    let Screen::Code(words) = &mut model.screen else { return };
    match (action, words.stage) {
        (Action::Submit, CodeStage::Shown) => words.stage = CodeStage::Asked,
        (Action::Submit, _) if words.matches() => {
            model.screen = Screen::Main;
            toast(model, out, "The recovery code is safe with you. Welcome!");
        }
        (Action::Submit, _) => {
            words.stage = CodeStage::Wrong;
            words.typed = crate::model::Input::default();
        }
        (Action::Back, _) => {
            words.stage = CodeStage::Shown;
            words.typed = crate::model::Input::default();
        }
        _ => {}
    }
}

/// A key on the screen of the recovery code.
pub(super) fn code_key(model: &mut Model, key: Key) {
    if let Screen::Code(words) = &mut model.screen
        && words.stage != CodeStage::Shown
        && words.typed.key(key)
    {
        words.stage = CodeStage::Asked;
    }
}

/// Leaving before the recovery code is confirmed needs a yes.
pub(super) fn ask_before_leaving(model: &mut Model) -> bool {
    let unconfirmed = matches!(model.screen, Screen::Code(_));
    if unconfirmed {
        model.overlays.push(Overlay::Ask(Ask {
            kind: AskKind::LeaveCode,
            question: SafeText::line("Leave without the recovery code?"),
            detail: "It is never shown again. Without it a forgotten password loses the account.",
        }));
    }
    unconfirmed
}

/// Ends the program.
pub(super) fn quit(model: &mut Model, out: &mut Effects) {
    model.quitting = true;
    out.push(Effect::Quit);
}
