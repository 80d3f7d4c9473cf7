//! Pages of rows: devices, rooms, a room's members, transfers.

use ratatui::layout::Rect;

use super::canvas::{Canvas, Piece, cells, centered, from, lines, until};
use super::statusline;
use crate::model::{
    DeviceRow, Hit, Member, Model, Progress, Role as Rank, RoomPage, RoomRow, Sheet, SheetKind, Shown, Transfer, When,
    bytes, clock,
};
use crate::text::{elide, pad};
use crate::theme::Role;

/// Columns and rows of a page on a big screen.
const PAGE: (u16, u16) = (76, 20);

/// Rows of a page with little on it: a box that grew with each row would jump.
const LEAST_ROWS: u16 = 12;

/// Days without a sign of life after which a device is worth a look.
const STALE_DAYS: i32 = 30;

/// Draws a page.
pub(super) fn draw(canvas: &mut Canvas<'_>, model: &Model, sheet: &Sheet, shown: &mut Shown) {
    let screen = canvas.area();
    let body = lines(screen, 0, screen.height.saturating_sub(1));
    let rows = if sheet.kind == SheetKind::Transfers { model.transfers.len() } else { sheet.rows() };
    let wanted = u16::try_from(rows).unwrap_or(PAGE.1).saturating_add(8).clamp(LEAST_ROWS, PAGE.1);
    let place = centered(body, PAGE.0.min(screen.width.saturating_sub(2)), wanted);
    let inner = canvas.frame(place, &title(sheet));
    let head = match &sheet.kind {
        SheetKind::Room(page) if !sheet.waiting || !page.members.is_empty() => room_head(canvas, model, page, inner),
        SheetKind::Devices(rows) if !rows.is_empty() => devices_head(canvas, model, inner),
        _ => 0,
    };
    let list = lines(inner, head, inner.height.saturating_sub(head + 2));
    let below = inner.height.saturating_sub(1);
    statusline::hints(canvas, model, lines(inner, below, 1), model.scope());
    shown.menu_lines = list.height;
    if rows == 0 {
        let (note, role) = match (sheet.problem, sheet.waiting) {
            (Some(problem), _) => (format!("! {}", problem.sentence()), Role::Error),
            (None, true) => ("One moment …".to_owned(), Role::Dim),
            (None, false) => (nothing(sheet).to_owned(), Role::Dim),
        };
        canvas.text(list, 0, &note, role);
        return;
    }
    if let Some(problem) = sheet.problem {
        canvas.text(lines(inner, below.saturating_sub(1), 1), 0, &format!("! {}", problem.sentence()), Role::Error);
    }
    let height = usize::from(list.height);
    let first = sheet.cursor.saturating_sub(height / 2).min(rows.saturating_sub(height));
    for (row, index) in (0..list.height).zip(first..rows) {
        let at = lines(list, row, 1);
        canvas.hit(at, Hit::MenuRow(index));
        let marked = index == sheet.cursor;
        if marked {
            canvas.text(at, 0, "▌", Role::Marked);
        }
        draw_row(canvas, model, sheet, (from(at, 2), index));
        if marked {
            canvas.fill(at, Role::Selected);
        }
    }
}

fn title(sheet: &Sheet) -> String {
    match &sheet.kind {
        SheetKind::Devices(_) => "Your devices".into(),
        SheetKind::Rooms(_) => "Rooms".into(),
        SheetKind::Room(page) => page.name.to_string(),
        SheetKind::Transfers => "Files".into(),
    }
}

fn nothing(sheet: &Sheet) -> &'static str {
    match &sheet.kind {
        SheetKind::Rooms(_) => "No rooms yet. c makes one.",
        SheetKind::Transfers => "No files yet. /file PATH sends one into the open chat.",
        SheetKind::Devices(_) | SheetKind::Room(_) => "Nothing here.",
    }
}

fn draw_row(canvas: &mut Canvas<'_>, model: &Model, sheet: &Sheet, place: (Rect, usize)) {
    let (area, index) = place;
    match &sheet.kind {
        SheetKind::Devices(rows) => drop(rows.get(index).map(|row| device(canvas, model.now, row, area))),
        SheetKind::Rooms(rows) => drop(rows.get(index).map(|row| room(canvas, row, area))),
        SheetKind::Room(page) => drop(page.members.get(index).map(|m| member(canvas, model, m, area))),
        SheetKind::Transfers => drop(model.transfers.get(index).map(|file| transfer(canvas, file, area))),
    }
}

/// What a new device needs, above the devices; tells the lines it took.
fn devices_head(canvas: &mut Canvas<'_>, model: &Model, area: Rect) -> u16 {
    let own = model.own;
    let (text, role) = match (own.approval, area.width >= 60) {
        (true, true) => ("A new device needs a yes on one of these, or the recovery code.", Role::Good),
        (true, false) => ("New ones need a yes here.", Role::Good),
        (false, true) => ("A new device needs the password only; /approval changes that.", Role::Dim),
        (false, false) => ("New ones need the password.", Role::Dim),
    };
    canvas.text(area, 0, text, role);
    let mut used = 1;
    if own.untold {
        canvas.text(area, 1, "! A recovery code was never shown: /password shows it.", Role::Warning);
        used = 2;
    }
    canvas.rule(area, used);
    (used + 1).min(area.height)
}

fn device(canvas: &mut Canvas<'_>, now: When, row: &DeviceRow, area: Rect) {
    if let Some(code) = &row.waits {
        let asked = row.last_seen.map(|at| format!("asked {}", at.brief(now))).unwrap_or_default();
        let right = canvas.right(area, 0, &asked, Role::Dim);
        let area = until(area, if right > 0 { right + 2 } else { 0 });
        canvas.text(area, 0, &format!("! waits to be let in  {code}  Enter answers"), Role::Warning);
        return;
    }
    let (seen, role) = match (row.current, row.last_seen) {
        (true, _) => ("this device".to_owned(), Role::Good),
        (false, Some(seen)) if now.day.saturating_sub(seen.day) > STALE_DAYS => {
            (format!("! last here {}", seen.brief(now)), Role::Warning)
        }
        (false, Some(seen)) => (format!("last here {}", seen.brief(now)), Role::Dim),
        (false, None) => (String::new(), Role::Dim),
    };
    let right = canvas.right(area, 0, &seen, role);
    let area = until(area, if right > 0 { right + 2 } else { 0 });
    let name = if row.name.is_empty() { "no name" } else { row.name.as_str() };
    let used = canvas.text(area, 0, name, if row.current { Role::Strong } else { Role::Text });
    if let Some(created) = row.created {
        let since = format!("since {}", created.brief(now));
        let rest = from(area, used + 2);
        if rest.width >= cells(&since) {
            canvas.text(rest, 0, &since, Role::Dim);
        }
    }
}

fn room(canvas: &mut Canvas<'_>, row: &RoomRow, area: Rect) {
    let members = if row.members == 1 { "1 member".to_owned() } else { format!("{} members", row.members) };
    let right = match (row.joined, row.public) {
        (true, _) => format!("{members}  ✓ in it"),
        (false, true) => format!("{members}   public"),
        (false, false) => format!("{members}  private"),
    };
    let right = canvas.right(area, 0, &right, if row.joined { Role::Good } else { Role::Dim });
    let area = until(area, if right > 0 { right + 2 } else { 0 });
    let name = pad(row.name.as_str(), usize::from(area.width.min(18)).max(row.name.as_str().len().min(24)));
    let used = canvas.text(area, 0, &name, if row.joined { Role::Strong } else { Role::Text });
    if let Some(topic) = &row.topic {
        let rest = from(area, used + 1);
        if rest.width >= 8 {
            canvas.text(rest, 0, &elide(topic.as_str(), usize::from(rest.width)), Role::Dim);
        }
    }
}

/// What is above the members; tells the lines it took.
fn room_head(canvas: &mut Canvas<'_>, model: &Model, page: &RoomPage, area: Rect) -> u16 {
    let topic = page.topic.as_ref().map_or("no topic", |t| t.as_str());
    canvas.text(area, 0, topic, if page.topic.is_some() { Role::Text } else { Role::Dim });
    let kind = if page.public { "public" } else { "private" };
    let members = page.members.len();
    let made = page.created.map(|c| format!(" · made {}", c.brief(model.now))).unwrap_or_default();
    let by = page.owner.as_ref().map(|o| format!(" by {o}")).unwrap_or_default();
    let facts = format!("{kind} · {members} {}{made}{by}", if members == 1 { "member" } else { "members" });
    let epoch = format!("epoch {}", page.epoch);
    let right = canvas.right(area, 1, &epoch, Role::Dim);
    canvas.text(until(area, right + 2), 1, &facts, Role::Dim);
    canvas.rule(area, 2);
    3.min(area.height)
}

fn member(canvas: &mut Canvas<'_>, model: &Model, member: &Member, area: Rect) {
    let me = model.is_me(&member.name);
    let row = model.roster.row(&member.name);
    let (sign, role) = match (member.online, row) {
        (_, Some(row)) if row.changed => ("!", Role::Warning),
        (true, _) => ("●", Role::Online),
        (false, _) => ("○", Role::Offline),
    };
    canvas.text(area, 0, sign, role);
    let right = match member.role {
        Rank::Member => "",
        rank => rank.word(),
    };
    let used = canvas.right(area, 0, right, Role::Accent);
    let area = until(from(area, 2), used + 1);
    let name = if me { format!("{} (you)", member.name) } else { member.name.to_string() };
    let style = if me { canvas.theme.style(Role::Own) } else { canvas.theme.name(member.name.as_str()) };
    let mut pieces = vec![Piece { text: &name, style }];
    let verified = row.is_some_and(|r| r.verified);
    let changed = row.is_some_and(|r| r.changed);
    if verified {
        pieces.push(Piece { text: "  ✓ verified", style: canvas.theme.style(Role::Good) });
    } else if changed {
        pieces.push(Piece { text: "  identity changed; v compares", style: canvas.theme.style(Role::Warning) });
    }
    canvas.pieces(area, 0, &pieces);
}

/// Cells of the bar on a wide page.
const BAR: u16 = 10;

fn transfer(canvas: &mut Canvas<'_>, file: &Transfer, area: Rect) {
    let (sign, role) = match (file.progress, file.outgoing) {
        (Progress::Done, _) => ("✓", Role::Good),
        (Progress::Failed, _) => ("!", Role::Error),
        (_, true) => ("↑", Role::Accent),
        (_, false) => ("↓", Role::Accent),
    };
    canvas.text(area, 0, sign, role);
    let area = from(area, 2);
    let wide = area.width >= 50;
    let right = standing(file, wide);
    let used = canvas.right(area, 0, &right, if file.progress == Progress::Failed { Role::Error } else { Role::Dim });
    let area = until(area, used + 2);
    let name = canvas.text(
        Rect { width: area.width.min(if wide { 26 } else { area.width }), ..area },
        0,
        file.name.as_str(),
        Role::Text,
    );
    let rest = from(area, name + 1);
    if let Some(chat) = &file.chat
        && rest.width > 4
    {
        canvas.text(rest, 0, chat.as_str(), Role::Dim);
    }
}

/// How a transfer stands, in a few words.
fn standing(file: &Transfer, wide: bool) -> String {
    let part = |file: &Transfer| format!("{} of {}", bytes(file.done), bytes(file.total));
    match file.progress {
        Progress::Done => match (&file.path, file.outgoing) {
            (Some(path), _) if wide => format!("saved as {}", elide(path.as_str(), 30)),
            (_, false) => format!("saved {}", bytes(file.total)),
            (_, true) => format!("sent {}", bytes(file.total)),
        },
        Progress::Failed => "given up".into(),
        Progress::Paused if wide => format!("paused  {}", part(file)),
        Progress::Paused => format!("paused {:>3}%", file.percent()),
        Progress::Waiting => "waits".into(),
        Progress::Running if wide => {
            let rate = file.rate.map(|r| format!("  {}/s", bytes(r))).unwrap_or_default();
            let left = file.seconds_left().map(|s| format!("  {}", clock(s))).unwrap_or_default();
            format!("{:>3}% {}{rate}{left}", file.percent(), bar(file.percent(), BAR))
        }
        Progress::Running => format!("{:>3}% {}", file.percent(), bar(file.percent(), 5)),
    }
}

/// `███████░░░`.
pub(super) fn bar(percent: u64, cells: u16) -> String {
    let cells = usize::from(cells);
    let full = usize::try_from(percent.min(100)).unwrap_or(100) * cells / 100;
    format!("{}{}", "█".repeat(full), "░".repeat(cells - full))
}
