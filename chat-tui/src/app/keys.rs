//! From the terminal library's events to ours: the only place that knows its keys.

use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};

use crate::keymap::{Code, Key};
use crate::model::{Msg, Pointer};

/// What an event means; none for releases and what nobody needs.
pub(super) fn message(event: Event) -> Option<Msg> {
    match event {
        Event::Key(key) => self::key(key).map(Msg::Key),
        Event::Paste(text) => Some(Msg::Paste(text)),
        Event::Resize(columns, rows) => Some(Msg::Resize(columns, rows)),
        Event::FocusGained => Some(Msg::Focus(true)),
        Event::FocusLost => Some(Msg::Focus(false)),
        Event::Mouse(mouse) => pointer(mouse).map(Msg::Pointer),
    }
}

fn key(event: KeyEvent) -> Option<Key> {
    if event.kind == KeyEventKind::Release {
        return None;
    }
    let held = |modifier| event.modifiers.contains(modifier);
    let (ctrl, alt, mut shift) = (held(KeyModifiers::CONTROL), held(KeyModifiers::ALT), held(KeyModifiers::SHIFT));
    let code = match event.code {
        KeyCode::Char(c) => {
            shift = false;
            // Ctrl-K is one key, with or without caps lock.
            Code::Char(if ctrl { c.to_ascii_lowercase() } else { c })
        }
        KeyCode::Enter => Code::Enter,
        KeyCode::Esc => Code::Esc,
        KeyCode::Tab => Code::Tab,
        KeyCode::BackTab => {
            shift = true;
            Code::Tab
        }
        KeyCode::Backspace => Code::Backspace,
        KeyCode::Delete => Code::Delete,
        KeyCode::Up => Code::Up,
        KeyCode::Down => Code::Down,
        KeyCode::Left => Code::Left,
        KeyCode::Right => Code::Right,
        KeyCode::Home => Code::Home,
        KeyCode::End => Code::End,
        KeyCode::PageUp => Code::PageUp,
        KeyCode::PageDown => Code::PageDown,
        KeyCode::F(n) => Code::F(n),
        _ => return None,
    };
    Some(Key { code, ctrl, alt, shift })
}

fn pointer(event: MouseEvent) -> Option<Pointer> {
    let MouseEvent { column, row, .. } = event;
    match event.kind {
        MouseEventKind::Down(MouseButton::Left) => Some(Pointer::Click { column, row }),
        MouseEventKind::ScrollUp => Some(Pointer::Wheel { column, row, lines: -1 }),
        MouseEventKind::ScrollDown => Some(Pointer::Wheel { column, row, lines: 1 }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_the_same_however_the_terminal_spells_them() {
        let of = |code, modifiers| key(KeyEvent::new(code, modifiers)).map(|k| k.to_string());
        assert_eq!(of(KeyCode::Char('K'), KeyModifiers::CONTROL | KeyModifiers::SHIFT).as_deref(), Some("Ctrl-K"));
        assert_eq!(of(KeyCode::Char('G'), KeyModifiers::SHIFT).as_deref(), Some("G"));
        assert_eq!(of(KeyCode::BackTab, KeyModifiers::NONE).as_deref(), Some("Shift-Tab"));
        assert_eq!(of(KeyCode::Enter, KeyModifiers::ALT).as_deref(), Some("Alt-Enter"));
        let release = KeyEvent { kind: KeyEventKind::Release, ..KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE) };
        assert_eq!(key(release), None);
    }
}
