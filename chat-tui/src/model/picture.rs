//! Pictures in messages, as pixels: decoded elsewhere, drawn inside the cells that the layout gives them.

use std::collections::HashMap;
use std::sync::Arc;

use super::MsgId;

/// How the terminal can show pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Graphics {
    /// Not at all.
    #[default]
    Off,
    /// By half blocks in two colours.
    Blocks,
    /// By the kitty protocol's placeholders.
    Kitty,
    /// By sixels.
    Sixel,
}

/// Pixels of a picture: red, green, blue, row by row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pixels {
    width: u16,
    height: u16,
    rgb: Vec<u8>,
}

/// Columns and rows of pixels that are wanted of a picture: forty cells of twelve lines on a fine screen.
pub const PIXELS_WANTED: (u16, u16) = (480, 288);

/// Cells of a picture.
const COLUMNS_MAX: u16 = 40;
const ROWS_MAX: u16 = 12;

/// Pixels of a cell where nothing better is known; every cell is about twice as high as wide.
const CELL_WIDTH: u16 = 8;

/// Pictures in memory: some screens; what is looked at again is decoded again.
const KEPT_MAX: usize = 32;

impl Pixels {
    /// From pixels with opacity, on a ground; none when there are more or fewer than told.
    #[must_use]
    pub fn on_ground(size: (u16, u16), rgba: &[u8], ground: u8) -> Option<Self> {
        let (width, height) = size;
        let whole = usize::from(width).checked_mul(usize::from(height))?.checked_mul(4)? == rgba.len();
        if !whole || width == 0 || height == 0 {
            return None;
        }
        let blend = |value: u8, opacity: u8| {
            let (value, opacity) = (u16::from(value), u16::from(opacity));
            u8::try_from((value * opacity + u16::from(ground) * (255 - opacity)) / 255).unwrap_or(u8::MAX)
        };
        let rgb = rgba.as_chunks::<4>().0.iter().flat_map(|[r, g, b, a]| [r, g, b].map(|v| blend(*v, *a))).collect();
        Some(Self { width, height, rgb })
    }

    /// Columns and rows of pixels.
    #[must_use]
    pub fn size(&self) -> (u16, u16) {
        (self.width, self.height)
    }

    /// All pixels: red, green, blue, row by row.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.rgb
    }

    /// Columns and rows of cells that it takes, where so many columns are free.
    #[must_use]
    pub fn cells(&self, free: u16) -> (u16, u16) {
        let wide = self.width.div_ceil(CELL_WIDTH).min(COLUMNS_MAX).min(free).max(1);
        // Twice as many pixels stand above each other in a cell as beside each other.
        let rows = |columns: u16| {
            let pixels = u32::from(columns) * u32::from(self.height);
            u16::try_from(pixels.div_ceil(2 * u32::from(self.width))).unwrap_or(u16::MAX).max(1)
        };
        let high = rows(wide);
        if high <= ROWS_MAX {
            return (wide, high);
        }
        let columns = u32::from(ROWS_MAX) * 2 * u32::from(self.width) / u32::from(self.height);
        (u16::try_from(columns).unwrap_or(wide).clamp(1, wide), ROWS_MAX)
    }

    /// The mean colour of one field, when the picture is cut into so many columns and rows.
    #[must_use]
    pub fn mean(&self, field: (u16, u16), of: (u16, u16)) -> [u8; 3] {
        let span = |at: u16, of: u16, pixels: u16| {
            let start = u32::from(at) * u32::from(pixels) / u32::from(of.max(1));
            let end = (u32::from(at) + 1) * u32::from(pixels) / u32::from(of.max(1));
            start..end.max(start + 1).min(u32::from(pixels).max(start + 1))
        };
        let (columns, rows) = (span(field.0, of.0, self.width), span(field.1, of.1, self.height));
        let (mut sum, mut count) = ([0_u32; 3], 0_u32);
        for row in rows {
            for column in columns.clone() {
                let at = usize::try_from((row * u32::from(self.width) + column) * 3).unwrap_or(usize::MAX);
                let Some([r, g, b]) = self.rgb.get(at..at.saturating_add(3)) else { continue };
                sum = [sum[0] + u32::from(*r), sum[1] + u32::from(*g), sum[2] + u32::from(*b)];
                count += 1;
            }
        }
        sum.map(|s| u8::try_from(s / count.max(1)).unwrap_or(u8::MAX))
    }
}

/// How one picture stands.
#[derive(Debug, Clone)]
enum Standing {
    /// It was asked for.
    Asked,
    /// There is none to show.
    None,
    /// It is here.
    Here(Arc<Pixels>),
}

/// Pictures that were looked at lately.
#[derive(Debug, Clone, Default)]
pub struct Pictures {
    kept: HashMap<MsgId, (u64, Standing)>,
    used: u64,
}

impl Pictures {
    /// The pixels of a message's picture, when they are here.
    #[must_use]
    pub fn of(&self, id: MsgId) -> Option<&Arc<Pixels>> {
        match self.kept.get(&id) {
            Some((_, Standing::Here(pixels))) => Some(pixels),
            _ => None,
        }
    }

    /// Whether it is still to be asked for; from now on it is not.
    pub fn ask(&mut self, id: MsgId) -> bool {
        self.used += 1;
        if let Some((used, _)) = self.kept.get_mut(&id) {
            *used = self.used;
            return false;
        }
        if self.kept.len() >= KEPT_MAX
            && let Some(oldest) = self.kept.iter().min_by_key(|(_, (used, _))| *used).map(|(id, _)| *id)
        {
            self.kept.remove(&oldest);
        }
        self.kept.insert(id, (self.used, Standing::Asked));
        true
    }

    /// The answer to a question that was not forgotten meanwhile.
    pub fn came(&mut self, id: MsgId, pixels: Option<Arc<Pixels>>) {
        if let Some((_, standing)) = self.kept.get_mut(&id) {
            *standing = pixels.map_or(Standing::None, Standing::Here);
        }
    }

    /// There may be more to show of it now: it is asked for again.
    pub fn forget(&mut self, id: MsgId) {
        self.kept.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(width: u16, height: u16) -> Pixels {
        let rgba = [200, 100, 50, 255].repeat(usize::from(width) * usize::from(height));
        Pixels::on_ground((width, height), &rgba, 0).unwrap()
    }

    #[test]
    fn a_picture_keeps_its_shape_within_the_cells_it_may_take() {
        assert_eq!(plain(480, 240).cells(100), (40, 10));
        assert_eq!(plain(480, 240).cells(10), (10, 3));
        assert_eq!(plain(100, 288).cells(100), (8, 12));
        assert_eq!(plain(1, 1).cells(100), (1, 1));
        assert_eq!(plain(480, 1).cells(100), (40, 1));
        assert_eq!(plain(1, 288).cells(100), (1, 12));
    }

    #[test]
    fn what_is_transparent_shows_the_ground_and_a_wrong_size_is_no_picture() {
        let half = Pixels::on_ground((1, 1), &[255, 255, 255, 51], 0).unwrap();
        assert_eq!(half.bytes(), [51, 51, 51]);
        assert_eq!(Pixels::on_ground((2, 1), &[0; 4], 0), None);
        assert_eq!(Pixels::on_ground((0, 0), &[], 0), None);
    }

    #[test]
    fn a_field_has_the_mean_colour_of_its_pixels() {
        let rgba = [[0, 0, 0, 255], [100, 100, 100, 255], [10, 20, 30, 255], [30, 20, 10, 255]].concat();
        let pixels = Pixels::on_ground((2, 2), &rgba, 0).unwrap();
        assert_eq!(pixels.mean((0, 0), (1, 2)), [50, 50, 50]);
        assert_eq!(pixels.mean((0, 1), (1, 2)), [20, 20, 20]);
        assert_eq!(pixels.mean((3, 3), (4, 4)), [30, 20, 10], "more fields than pixels repeat them");
    }

    #[test]
    fn a_picture_is_asked_for_once_and_the_oldest_makes_room() {
        let mut pictures = Pictures::default();
        let id = |n: u8| MsgId([n; 16]);
        assert!(pictures.ask(id(0)) && !pictures.ask(id(0)));
        for n in 1..=40 {
            pictures.ask(id(n));
        }
        pictures.came(id(0), Some(Arc::new(plain(1, 1))));
        assert!(pictures.of(id(0)).is_none(), "forgotten meanwhile");
        pictures.came(id(40), Some(Arc::new(plain(1, 1))));
        assert!(pictures.of(id(40)).is_some() && pictures.ask(id(0)));
    }
}
