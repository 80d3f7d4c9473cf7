//! Who is in the open room, beside its messages.

use ratatui::layout::Rect;

use super::canvas::{Canvas, from, lines};
use crate::model::{Model, Role as Rank, RoomPage, THREE_PANES_COLUMNS};
use crate::theme::Role;

/// Columns of the pane, with the line beside it.
pub(super) const COLUMNS: u16 = 22;

/// The room whose members stand beside its messages, where there is room for them.
pub(super) fn wanted(model: &Model) -> Option<&RoomPage> {
    let wide = model.size.0 >= THREE_PANES_COLUMNS && !model.bare;
    model.open_chat().filter(|_| wide)?.room.as_ref()
}

/// Draws the members, those who are here first.
pub(super) fn draw(canvas: &mut Canvas<'_>, model: &Model, room: &RoomPage, area: Rect) {
    for row in 1..area.height {
        canvas.text(area, row, "│", Role::Rule);
    }
    canvas.fill(lines(area, 0, 1), Role::Bar);
    let inner = from(area, 2);
    let count = room.members.len();
    let title = if count == 1 { "1 member".to_owned() } else { format!("{count} members") };
    canvas.text(inner, 0, &title, Role::BarStrong);
    canvas.fill(lines(area, 0, 1), Role::Bar);
    let mut members: Vec<_> = room.members.iter().collect();
    members.sort_by_key(|m| (!here(model, m), std::cmp::Reverse(m.role)));
    let body = lines(inner, 1, inner.height.saturating_sub(1));
    let fits = usize::from(body.height);
    let hidden = if members.len() > fits { members.len() - fits + 1 } else { 0 };
    for (row, member) in (0..body.height).zip(members.iter().take(members.len() - hidden)) {
        let changed = model.roster.row(&member.name).is_some_and(|r| r.changed);
        let (sign, role) = match (changed, here(model, member)) {
            (true, _) => ("!", Role::Warning),
            (false, true) => ("●", Role::Online),
            (false, false) => ("○", Role::Offline),
        };
        canvas.text(body, row, sign, role);
        let rank = match member.role {
            Rank::Member => "",
            rank => rank.word(),
        };
        let used = canvas.right(lines(body, row, 1), 0, rank, Role::Dim);
        let name = Rect { width: body.width.saturating_sub(3 + used), ..from(body, 2) };
        let style = match model.is_me(&member.name) {
            true => canvas.theme.style(Role::Own),
            false => canvas.theme.name(member.name.as_str()),
        };
        canvas.styled(name, row, member.name.as_str(), style);
    }
    if hidden > 0 {
        canvas.text(body, body.height - 1, &format!("{hidden} more: F2"), Role::Dim);
    }
}

/// Whether somebody is here: one's contacts come and go without the room being asked again.
fn here(model: &Model, member: &crate::model::Member) -> bool {
    use crate::model::Availability;
    match model.roster.row(&member.name).map(|r| r.availability) {
        Some(Availability::Online | Availability::Away) => true,
        Some(Availability::Offline) => false,
        _ => member.online,
    }
}
