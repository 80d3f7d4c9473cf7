//! Pictures in cells: by half blocks, by the kitty protocol's placeholders, or by cells that are left
//! free for sixels. Whatever a picture holds, it fills its cells and nothing else.

use ratatui::layout::Rect;
use ratatui::style::{Color, Style};

use super::canvas::{Canvas, from};
use crate::model::{Graphics, MsgId, Pixels};

/// The character that the protocol puts a part of a picture in the place of.
const PLACEHOLDER: char = '\u{10EEEE}';

/// Marks that number rows and columns behind the placeholder, from 0 on, as the protocol lists them.
const NUMBERS: [char; 40] = [
    '\u{305}', '\u{30D}', '\u{30E}', '\u{310}', '\u{312}', '\u{33D}', '\u{33E}', '\u{33F}', '\u{346}', '\u{34A}',
    '\u{34B}', '\u{34C}', '\u{350}', '\u{351}', '\u{352}', '\u{357}', '\u{35B}', '\u{363}', '\u{364}', '\u{365}',
    '\u{366}', '\u{367}', '\u{368}', '\u{369}', '\u{36A}', '\u{36B}', '\u{36C}', '\u{36D}', '\u{36E}', '\u{36F}',
    '\u{483}', '\u{484}', '\u{485}', '\u{486}', '\u{487}', '\u{592}', '\u{593}', '\u{594}', '\u{595}', '\u{597}',
];

/// The number under which the terminal knows a message's picture: 24 bits, because it is told as a colour.
pub(super) fn number(id: MsgId) -> u32 {
    let hash = id.0.iter().fold(0x811c_9dc5_u32, |hash, b| (hash ^ u32::from(*b)).wrapping_mul(0x0100_0193));
    (hash & 0x00ff_ffff).max(1)
}

/// One line of a picture's cells.
pub(super) fn line(canvas: &mut Canvas<'_>, area: Rect, row: u16, picture: (MsgId, &Pixels, (u16, u16))) {
    let (id, pixels, (columns, rows)) = picture;
    match canvas.graphics {
        Graphics::Off | Graphics::Sixel => {}
        Graphics::Blocks => {
            for column in 0..columns.min(area.width) {
                let half = |below: u16| {
                    let [r, g, b] = pixels.mean((column, 2 * row + below), (columns, 2 * rows));
                    canvas.theme.exact(r, g, b)
                };
                let style = Style::new().fg(half(0)).bg(half(1));
                canvas.styled(from(area, column), 0, "▀", style);
            }
        }
        Graphics::Kitty => {
            let [_, r, g, b] = number(id).to_be_bytes();
            let style = Style::new().fg(Color::Rgb(r, g, b));
            let Some(first) = NUMBERS.get(usize::from(row)) else { return };
            for (column, second) in (0..columns.min(area.width)).zip(NUMBERS) {
                let symbol: String = [PLACEHOLDER, *first, second].into_iter().collect();
                canvas.cell(from(area, column), &symbol, style);
            }
        }
    }
}
