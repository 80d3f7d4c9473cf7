//! Walking through a page of rows; its deeds belong to its theme.

use super::chats;
use super::{account, files, rooms};
use crate::keymap::{Action, Scope};
use crate::model::{Effects, Model, Overlay, SheetKind};

/// Does an action on the page on top.
pub(super) fn act(model: &mut Model, out: &mut Effects, scope: Scope, action: Action) {
    let page = isize::try_from(model.shown.menu_lines.saturating_sub(1).max(1)).unwrap_or(1);
    match action {
        Action::Up => step(model, -1),
        Action::Down => step(model, 1),
        Action::PageUp => step(model, -page),
        Action::PageDown => step(model, page),
        Action::Back => drop(model.overlays.pop()),
        _ => match scope {
            Scope::Devices => account::act_on_devices(model, action),
            Scope::Rooms => rooms::act_on_list(model, out, action),
            Scope::Room if action == Action::Verify => {
                if let Some(member) = rooms::marked_member(model).filter(|m| !model.is_me(&m.name)) {
                    account::compare(model, out, member.name);
                }
            }
            Scope::Room if action == Action::Open => {
                if let Some(member) = rooms::marked_member(model) {
                    model.overlays.clear();
                    chats::open(model, out, &member.name);
                }
            }
            Scope::Room => rooms::act_on_page(model, out, action),
            Scope::Transfers => files::act_on_list(model, out, action),
            _ => {}
        },
    }
}

fn step(model: &mut Model, steps: isize) {
    let transfers = model.transfers.len();
    if let Some(Overlay::Sheet(sheet)) = model.overlays.last_mut() {
        let rows = if sheet.kind == SheetKind::Transfers { transfers } else { sheet.rows() };
        sheet.cursor = sheet.cursor.saturating_add_signed(steps).min(rows.saturating_sub(1));
    }
}

/// Marks the row at a place.
pub(super) fn mark(model: &mut Model, row: usize) {
    if let Some(Overlay::Sheet(sheet)) = model.overlays.last_mut() {
        sheet.cursor = row;
    }
}
