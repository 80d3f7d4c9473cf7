//! A screen as a picture: the cells of the terminal parser, drawn as SVG.

use std::fmt::Write;

const CELL: (f32, f32) = (8.4, 18.0);
const MARGIN: f32 = 14.0;
const GROUND: &str = "#101419";
const INK: &str = "#d5dae0";

/// Draws the cells.
pub fn draw(screen: &vt100::Screen) -> String {
    let (rows, columns) = screen.size();
    let (rows, columns) = (rows.get(), columns.get());
    let width = f32::from(columns) * CELL.0 + 2.0 * MARGIN;
    let height = f32::from(rows) * CELL.1 + 2.0 * MARGIN;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\" \
         font-family=\"ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace\" font-size=\"14\">\n\
         <title>chat-tui: a list of chats beside a conversation</title>\n\
         <rect width=\"100%\" height=\"100%\" rx=\"10\" fill=\"{GROUND}\"/>\n"
    );
    for row in 0..rows {
        grounds(&mut out, screen, row, columns);
        texts(&mut out, screen, row, columns);
    }
    out.push_str("</svg>\n");
    out
}

/// Runs of cells with the same ground.
fn grounds(out: &mut String, screen: &vt100::Screen, row: u16, columns: u16) {
    let ground = |column: u16| {
        screen
            .cell(row, column)
            .and_then(|c| if c.inverse() { ink(c.fgcolor()).or(Some(INK.into())) } else { ink(c.bgcolor()) })
    };
    let mut column = 0;
    while column < columns {
        let color = ground(column);
        let end = (column..columns).find(|c| ground(*c) != color).unwrap_or(columns);
        if let Some(color) = color {
            let (x, y) = place(row, column);
            let width = f32::from(end - column) * CELL.0;
            writeln!(
                out,
                "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{}\" fill=\"{color}\"/>",
                CELL.1
            )
            .unwrap();
        }
        column = end;
    }
}

/// Every text stands at its own column, so that the picture keeps the columns in any font.
fn texts(out: &mut String, screen: &vt100::Screen, row: u16, columns: u16) {
    let mut column = 0;
    while column < columns {
        let Some(cell) = screen.cell(row, column).filter(|c| c.has_contents() && c.contents() != " ") else {
            column += 1;
            continue;
        };
        let style = |c: &vt100::Cell| (c.fgcolor(), c.bold(), c.italic(), c.underline(), c.inverse(), c.dim());
        let wanted = style(cell);
        let start = column;
        let mut text = String::new();
        while let Some(next) =
            screen.cell(row, column).filter(|c| style(c) == wanted && !c.is_wide() && c.contents().is_ascii())
        {
            text.push_str(if next.has_contents() { next.contents() } else { " " });
            column += 1;
        }
        if text.is_empty() {
            // What is wide or no ASCII stands alone: fonts do not agree on its width.
            text.push_str(cell.contents());
            column += if cell.is_wide() { 2 } else { 1 };
        }
        let text = text.trim_end();
        if !text.is_empty() {
            write_text(out, (row, start), text, cell);
        }
    }
}

fn write_text(out: &mut String, at: (u16, u16), text: &str, cell: &vt100::Cell) {
    let (x, y) = place(at.0, at.1);
    let color = if cell.inverse() { Some(GROUND.to_owned()) } else { ink(cell.fgcolor()) };
    let mut look = format!("fill=\"{}\"", color.unwrap_or_else(|| INK.into()));
    if cell.bold() {
        look.push_str(" font-weight=\"bold\"");
    }
    if cell.italic() {
        look.push_str(" font-style=\"italic\"");
    }
    if cell.underline() {
        look.push_str(" text-decoration=\"underline\"");
    }
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let cells = unicode_width::UnicodeWidthStr::width(text);
    let length = if text.is_ascii() && cells > 1 {
        format!(" textLength=\"{:.1}\" lengthAdjust=\"spacingAndGlyphs\"", cells as f32 * CELL.0)
    } else {
        String::new()
    };
    writeln!(out, "<text x=\"{x:.1}\" y=\"{:.1}\" {look}{length} xml:space=\"preserve\">{escaped}</text>", y + 13.5)
        .unwrap();
}

fn place(row: u16, column: u16) -> (f32, f32) {
    (MARGIN + f32::from(column) * CELL.0, MARGIN + f32::from(row) * CELL.1)
}

/// A colour as SVG writes it; none for the terminal's own.
fn ink(color: vt100::Color) -> Option<String> {
    match color {
        vt100::Color::Default => None,
        vt100::Color::Rgb(r, g, b) => Some(format!("#{r:02x}{g:02x}{b:02x}")),
        vt100::Color::Idx(i) => {
            Some(["#000", "#c33", "#3a3", "#a80", "#36c", "#a3a", "#3aa", "#ccc"][usize::from(i % 8)].into())
        }
    }
}
