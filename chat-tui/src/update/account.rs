//! One's own account: devices, password; and whether somebody is who one thinks.

use super::chats::{self, ask, complain, toast};
use super::forms;
use crate::keymap::Action;
use crate::model::{
    AccountAsk, AccountNews, Ask, AskKind, Change, Effects, FormKind, HistoryNews, Model, Name, Open, Overlay, Problem,
    Request, SafetyNumber, Screen, Sheet, SheetKind, Verify,
};
use crate::text::SafeText;

/// Does an action of this page; tells whether it was one.
pub(super) fn act(model: &mut Model, out: &mut Effects, action: Action) -> bool {
    match action {
        Action::Devices => devices(model, out),
        Action::ChangePassword => forms::open(model, FormKind::ChangePassword),
        Action::Approval => forms::open(model, FormKind::Approval),
        Action::AskHistory => ask(out, Request::Account(AccountAsk::AskHistory)),
        Action::Export => forms::open(model, FormKind::Export),
        Action::Import => forms::open(model, FormKind::Import),
        Action::DeleteAccount => forms::open(model, FormKind::DeleteAccount),
        Action::Verify => match whom(model) {
            Some(name) => compare(model, out, name),
            None => complain(model, out, "With whom? /verify NAME"),
        },
        Action::AcceptIdentity => match whom(model) {
            Some(name) => ask_accept(model, out, name),
            None => complain(model, out, "Whose? /trust NAME"),
        },
        Action::Forget => model.overlays.push(Overlay::Ask(Ask {
            kind: AskKind::Forget,
            question: SafeText::line("Log out and erase this device's data?"),
            detail: "The history on this device is gone for good, and the device leaves the account. Other devices keep theirs.",
        })),
        _ => return false,
    }
    true
}

/// The person of the open chat.
fn whom(model: &Model) -> Option<Name> {
    match &model.open {
        Open::Chat(name) | Open::Request(name) if !name.is_room() && !model.is_me(name) => Some(name.clone()),
        _ => None,
    }
}

/// Shows the devices.
fn devices(model: &mut Model, out: &mut Effects) {
    model.overlays.push(Overlay::Sheet(Sheet::awaited(SheetKind::Devices(Vec::new()))));
    ask(out, Request::Account(AccountAsk::Devices));
}

/// Shows the safety number with somebody.
pub(super) fn compare(model: &mut Model, out: &mut Effects, name: Name) {
    ask(out, Request::Account(AccountAsk::SafetyNumber(name.clone())));
    model.overlays.push(Overlay::Verify(Box::new(Verify { name, number: None, problem: None })));
}

/// A changed identity is taken only after a question.
pub(super) fn ask_accept(model: &mut Model, out: &mut Effects, name: Name) {
    let row = model.roster.row(&name);
    if !row.is_some_and(|r| r.stopped || r.changed) {
        return toast(model, out, &format!("{name}'s identity did not change."));
    }
    model.overlays.push(Overlay::Ask(Ask {
        question: SafeText::line(&format!("Go on with {name} without comparing?")),
        kind: AskKind::AcceptIdentity(name),
        detail: "If somebody is in between, they will read what you write. A new number usually means that the account was set up anew; a call tells.",
    }));
}

/// Does an action on the devices' page.
pub(super) fn act_on_devices(model: &mut Model, action: Action) {
    let Some(Overlay::Sheet(Sheet { kind: SheetKind::Devices(rows), cursor, .. })) = model.overlays.last() else {
        return;
    };
    let Some(device) = rows.get(*cursor).cloned() else { return };
    if let Some(code) = &device.waits {
        // It is no device yet: nothing can be done with it but to decide.
        if matches!(action, Action::LetIn | Action::RemoveDevice) {
            ask_let_in(model, device.id, code);
        }
        return;
    }
    match action {
        Action::RenameDevice => forms::open_with(model, FormKind::RenameDevice(device.id), device.name.as_str()),
        Action::RemoveDevice if device.current => model.overlays.push(Overlay::Ask(Ask {
            kind: AskKind::Forget,
            question: SafeText::line("Take this very device off the account?"),
            detail: "It is logged out and its data is erased; the history on it is gone for good.",
        })),
        Action::RemoveDevice => model.overlays.push(Overlay::Ask(Ask {
            question: SafeText::line(&format!("Remove {}?", device.name)),
            kind: AskKind::RemoveDevice(device.id),
            detail: "It is cut off at once and can read nothing that is sent from now on. What it already has stays on it.",
        })),
        _ => {}
    }
}

/// Does an action on the safety number.
pub(super) fn act_on_number(model: &mut Model, out: &mut Effects, action: Action) {
    let Some(Overlay::Verify(page)) = model.overlays.last_mut() else { return };
    let name = page.name.clone();
    match (action, &page.number) {
        (Action::Back, _) => drop(model.overlays.pop()),
        (Action::TheyMatch, Some(number)) => {
            let theirs = number.digits.clone();
            ask(out, Request::Account(AccountAsk::Confirm { name, theirs }));
        }
        (Action::TheyDiffer, Some(_)) => {
            page.problem = Some(Problem::NumbersDiffer);
            if let Some(number) = page.number.as_mut().filter(|n| n.verified) {
                number.verified = false;
                model.roster.row_mut(&name).verified = false;
                ask(out, Request::Account(AccountAsk::Unverify(name.clone())));
            }
            complain(
                model,
                out,
                &format!("Write nothing secret to {name}. Compare once more by another way; /block stops it."),
            );
        }
        (Action::TypeTheirs, Some(_)) => forms::open(model, FormKind::TheirNumber(name)),
        _ => {}
    }
}

/// What the client says.
pub(super) fn news(model: &mut Model, out: &mut Effects, news: AccountNews) {
    match news {
        AccountNews::Devices(devices) => {
            for overlay in model.overlays.iter_mut().rev() {
                if let Overlay::Sheet(sheet) = overlay
                    && let SheetKind::Devices(rows) = &mut sheet.kind
                {
                    sheet.waiting = false;
                    match devices {
                        Ok(devices) => {
                            sheet.cursor = sheet.cursor.min(devices.len().saturating_sub(1));
                            *rows = devices;
                        }
                        Err(problem) => sheet.problem = Some(problem),
                    }
                    return;
                }
            }
        }
        AccountNews::Number { name, number } => {
            if let Some(page) = page_of(model, &name) {
                number_came(page, number);
            }
        }
        AccountNews::Own(own) => {
            let news = own.untold && !model.own.untold;
            model.own = own;
            if news {
                complain(
                    model,
                    out,
                    "A new password was set and its recovery code never shown: /password, with the new one twice, shows it.",
                );
            }
        }
        AccountNews::Awaits(code) => {
            if let Screen::Door(door) = &mut model.screen {
                door.awaits = Some(code);
            }
        }
        AccountNews::DeviceWaits { id, code } => ask_let_in(model, id, &code),
        AccountNews::EntrySettled(id) => {
            model.overlays.retain(|o| !matches!(o, Overlay::Ask(question) if question.kind == AskKind::LetIn(id)));
            if devices_shown(model) {
                ask(out, Request::Account(AccountAsk::Devices));
            }
        }
        AccountNews::Told(says) => toast(model, out, says.as_str()),
        AccountNews::DeviceAsks { id, name } => model.overlays.push(Overlay::Ask(Ask {
            question: SafeText::line(&format!("Give the history to your device {name}?")),
            kind: AskKind::GiveHistory(id),
            detail: "It gets all messages that this device has. If you did not just ask for it there, say no and look at /devices.",
        })),
        AccountNews::History(HistoryNews::Asked) => toast(model, out, "Your other devices were asked; say yes there."),
        AccountNews::History(HistoryNews::Coming(done, total)) => {
            let (share, bar) = (done * 100 / total.max(1), 10);
            let full = usize::try_from(share.min(100)).unwrap_or(100) * bar / 100;
            let drawn = format!("{}{}", "█".repeat(full), "░".repeat(bar - full));
            toast(model, out, &format!("History {drawn} {done} of {total}"));
        }
        AccountNews::History(HistoryNews::Done(count)) => {
            chats::load_anew(model, out);
            toast(model, out, &format!("The history is here: {count} messages."));
        }
        AccountNews::History(HistoryNews::Refused) => complain(model, out, "No device gives the history."),
        AccountNews::Verified { name, result } => verified(model, out, &name, result),
    }
}

/// Asks whether a device is let in that knows the password.
fn ask_let_in(model: &mut Model, id: u32, code: &SafeText) {
    let asked = AskKind::LetIn(id);
    if model.overlays.iter().any(|o| matches!(o, Overlay::Ask(question) if question.kind == asked)) {
        return;
    }
    model.overlays.push(Overlay::Ask(Ask {
        question: SafeText::line(&format!("Let the device in that shows {code}?")),
        kind: asked,
        detail: "Somebody typed your password on a new device. Is it you, and does that device show this very code? Then yes. If not: no, and change the password.",
    }));
}

fn devices_shown(model: &Model) -> bool {
    model.overlays.iter().any(|o| matches!(o, Overlay::Sheet(Sheet { kind: SheetKind::Devices(_), .. })))
}

fn page_of<'m>(model: &'m mut Model, name: &Name) -> Option<&'m mut Verify> {
    model.overlays.iter_mut().rev().find_map(|o| match o {
        Overlay::Verify(page) if page.name == *name => Some(page.as_mut()),
        _ => None,
    })
}

fn number_came(page: &mut Verify, number: Result<SafetyNumber, Problem>) {
    match number {
        Ok(number) => page.number = Some(number),
        Err(problem) => page.problem = Some(problem),
    }
}

/// A comparison by the program or the person.
fn verified(model: &mut Model, out: &mut Effects, name: &Name, result: Result<bool, Problem>) {
    if matches!(model.overlays.last(), Some(Overlay::Form(form)) if form.kind == FormKind::TheirNumber(name.clone())) {
        model.overlays.pop();
    }
    match result {
        Ok(verified) => {
            if let Some(page) = page_of(model, name) {
                page.problem = None;
                if let Some(number) = &mut page.number {
                    number.verified = verified;
                }
            }
            let row = model.roster.row_mut(name);
            row.verified = verified;
            if verified {
                (row.changed, row.stopped) = (false, false);
                toast(model, out, &format!("{name} is verified: nobody is in between."));
            }
        }
        Err(problem) => {
            let shown = if problem == Problem::Integrity { Problem::NumbersDiffer } else { problem };
            match page_of(model, name) {
                Some(page) => page.problem = Some(shown),
                None => complain(model, out, &shown.sentence()),
            }
        }
    }
}

/// Takes a changed identity as it is.
pub(super) fn accept_identity(model: &mut Model, out: &mut Effects, name: Name) {
    let row = model.roster.row_mut(&name);
    (row.changed, row.stopped, row.verified) = (false, false, false);
    toast(model, out, &format!("Messages to {name} go out again; compare the number when you can."));
    ask(out, Request::Account(AccountAsk::AcceptIdentity(name)));
}

/// Takes a device off the account.
pub(super) fn remove_device(model: &mut Model, out: &mut Effects, id: u32) {
    if let Some(Overlay::Sheet(sheet)) = model.overlays.last_mut() {
        sheet.waiting = true;
    }
    ask(out, Request::Account(AccountAsk::RemoveDevice(id)));
}

/// What a change of somebody's identity means, in words for the conversation.
pub(super) fn words(name: &Name, change: Change) -> String {
    match change {
        Change::Key => format!("The safety number with {name} changed. F3 compares it."),
        Change::Device => format!("{name} added a device. The safety number is the same."),
        Change::Account => format!("The name {name} now leads to another account. Ask them by another way."),
        Change::Alarm => {
            format!("The relay contradicted itself about {name}. The evidence is kept; do not trust what is new.")
        }
        Change::Copied => {
            format!("A copy of one of {name}'s devices speaks as well: what comes from it may be somebody else's.")
        }
    }
}
