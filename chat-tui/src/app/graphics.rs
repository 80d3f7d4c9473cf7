//! Pictures in the terminal's own protocols: kitty's, whose pictures are told once and then stand in cells,
//! and sixels, which are drawn over cells that were left free.

use std::fmt::Write as _;

use base64::Engine as _;

use crate::model::Pixels;

/// Asks whether the terminal knows kitty's protocol: a picture of one pixel that is not shown.
pub(super) const QUESTION: &[u8] = b"\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\";

/// Forgets all pictures that were told.
pub(super) const FORGET: &[u8] = b"\x1b_Ga=d,d=A,q=2\x1b\\";

/// Bytes of one piece of a picture, as the protocol limits them.
const PIECE_BYTES: usize = 4096;

/// Tells the terminal a picture under a number; it is shown where the placeholders stand.
pub(super) fn kitty(number: u32, pixels: &Pixels, cells: (u16, u16)) -> String {
    let (width, height) = pixels.size();
    let encoded = base64::engine::general_purpose::STANDARD.encode(pixels.bytes());
    let mut out = String::new();
    let pieces: Vec<&str> = (0..encoded.len())
        .step_by(PIECE_BYTES)
        .filter_map(|at| encoded.get(at..(at + PIECE_BYTES).min(encoded.len())))
        .collect();
    for (at, piece) in pieces.iter().enumerate() {
        let more = u8::from(at + 1 < pieces.len());
        let head = match at {
            0 => {
                format!("a=T,U=1,q=2,f=24,i={number},s={width},v={height},c={},r={},m={more}", cells.0, cells.1)
            }
            _ => format!("m={more}"),
        };
        let _ = write!(out, "\x1b_G{head};{piece}\x1b\\");
    }
    out
}

/// Steps of each colour: 6 × 7 × 6 colours are what every terminal with sixels has room for.
const STEPS: (u16, u16, u16) = (6, 7, 6);

/// Thresholds that spread the error of few colours over four times four pixels.
const DITHER: [[i32; 4]; 4] = [[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]];

/// A picture in sixels that fills so many pixels of the screen, and no more.
pub(super) fn sixel(pixels: &Pixels, size: (u16, u16)) -> String {
    let (width, height) = size;
    let mut out = format!("\x1bP0;1;0q\"1;1;{width};{height}");
    for number in 0..STEPS.0 * STEPS.1 * STEPS.2 {
        let (r, g, b) = (number / (STEPS.1 * STEPS.2), number / STEPS.2 % STEPS.1, number % STEPS.2);
        let percent = |step: u16, of: u16| step * 100 / (of - 1);
        let _ = write!(out, "#{number};2;{};{};{}", percent(r, STEPS.0), percent(g, STEPS.1), percent(b, STEPS.2));
    }
    let mut band = vec![0_u16; usize::from(width) * 6];
    for top in (0..height).step_by(6) {
        let rows = 6.min(height - top);
        for row in 0..rows {
            for column in 0..width {
                let colour = nearest(pixels.mean((column, top + row), size), (column, top + row));
                if let Some(place) = band.get_mut(usize::from(row) * usize::from(width) + usize::from(column)) {
                    *place = colour;
                }
            }
        }
        draw_band(&mut out, &band, (width, rows));
    }
    out.push_str("\x1b\\");
    out
}

/// The nearest of the few colours, with the error spread by place.
fn nearest(colour: [u8; 3], place: (u16, u16)) -> u16 {
    let threshold =
        DITHER.get(usize::from(place.1 % 4)).and_then(|row| row.get(usize::from(place.0 % 4))).copied().unwrap_or(8);
    let step = |value: u8, steps: u16| {
        let most = i32::from(steps) - 1;
        // Sixteenths of a step, rounded by the threshold of the place.
        let exact = i32::from(value) * most * 16 / 255;
        u16::try_from(((exact + threshold) / 16).clamp(0, most)).unwrap_or(0)
    };
    let [r, g, b] = colour;
    (step(r, STEPS.0) * STEPS.1 + step(g, STEPS.1)) * STEPS.2 + step(b, STEPS.2)
}

/// Six rows of pixels: each colour that is in them goes over the line once.
fn draw_band(out: &mut String, band: &[u16], size: (u16, u16)) {
    let (width, rows) = (usize::from(size.0), usize::from(size.1));
    let used = band.get(..width * rows).unwrap_or_default();
    let mut colours: Vec<u16> = used.to_vec();
    colours.sort_unstable();
    colours.dedup();
    for (at, colour) in colours.iter().enumerate() {
        let _ = write!(out, "{}#{colour}", if at > 0 { "$" } else { "" });
        let sign = |column: usize| {
            let bits = (0..rows).filter(|row| used.get(row * width + column) == Some(colour));
            bits.fold(0_u8, |sum, row| sum | 1 << row)
        };
        let mut column = 0;
        while column < width {
            let bits = sign(column);
            let run = (column..width).take_while(|c| sign(*c) == bits).count().max(1);
            let letter = char::from(b'?' + bits);
            match run {
                1..=3 => (0..run).for_each(|_| out.push(letter)),
                _ => drop(write!(out, "!{run}{letter}")),
            }
            column += run;
        }
    }
    out.push('-');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn red(width: u16, height: u16) -> Pixels {
        let rgba = [255, 0, 0, 255].repeat(usize::from(width) * usize::from(height));
        Pixels::on_ground((width, height), &rgba, 0).unwrap()
    }

    #[test]
    fn a_picture_is_told_in_pieces_of_which_only_the_first_says_what_it_is() {
        let told = kitty(7, &red(100, 50), (10, 3));
        let pieces: Vec<&str> = told.split_inclusive("\x1b\\").collect();
        assert_eq!(pieces.len(), 5);
        assert!(pieces[0].starts_with("\x1b_Ga=T,U=1,q=2,f=24,i=7,s=100,v=50,c=10,r=3,m=1;"));
        assert!(pieces[1].starts_with("\x1b_Gm=1;") && pieces[4].starts_with("\x1b_Gm=0;"));
        assert!(pieces.iter().all(|p| p.len() < PIECE_BYTES + 80));
    }

    #[test]
    fn sixels_fill_the_pixels_they_were_given() {
        let drawn = sixel(&red(3, 3), (20, 8));
        assert!(drawn.starts_with("\x1bP0;1;0q\"1;1;20;8") && drawn.ends_with("\x1b\\"));
        let red = 5 * STEPS.1 * STEPS.2;
        assert!(drawn.contains(&format!("#{red}!20~-#{red}!20B-")), "six rows, then two: {drawn}");
    }
}
