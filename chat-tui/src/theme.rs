//! Colour by role: light and dark, from true colour down to none. No state is told by colour alone;
//! every role also has a sign, a word or a weight where it is drawn.

use ratatui::style::{Color, Modifier, Style};

/// What the background is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tone {
    /// Light text on a dark ground.
    #[default]
    Dark,
    /// Dark text on a light ground.
    Light,
}

/// How many colours the terminal shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, PartialOrd, Ord)]
pub enum Depth {
    /// None (`NO_COLOR`, `TERM=dumb`): weight and reversal only.
    Mono,
    /// The sixteen of the terminal's own palette.
    #[default]
    Sixteen,
    /// The cube of 256.
    Indexed,
    /// 24 bits.
    True,
}

/// What a piece of the screen means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Role {
    Text,
    Dim,
    Strong,
    Accent,
    Rule,
    Bar,
    BarStrong,
    BarDim,
    Title,
    Key,
    Own,
    Quote,
    New,
    Badge,
    Online,
    Away,
    Offline,
    Good,
    Warning,
    Error,
    Selected,
    Marked,
    Field,
    FieldActive,
    Read,
}

/// Styles of all roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Theme {
    tone: Tone,
    depth: Depth,
}

/// A colour in the three ways in which terminals know it.
#[derive(Clone, Copy)]
struct Paint {
    rgb: (u8, u8, u8),
    ansi: Color,
}

const fn paint(rgb: u32, ansi: Color) -> Paint {
    let [_, r, g, b] = rgb.to_be_bytes();
    Paint { rgb: (r, g, b), ansi }
}

struct Palette {
    dim: Paint,
    faint: Paint,
    accent: Paint,
    green: Paint,
    amber: Paint,
    red: Paint,
    bar: Paint,
    selected: Paint,
    on_accent: Paint,
    names: [Paint; 6],
}

const DARK: Palette = Palette {
    dim: paint(0x8a_91_99, Color::Gray),
    faint: paint(0x45_4c_55, Color::DarkGray),
    accent: paint(0x6c_b6_ff, Color::LightBlue),
    green: paint(0x7e_c8_8f, Color::LightGreen),
    amber: paint(0xe5_b5_67, Color::LightYellow),
    red: paint(0xf4_7c_7c, Color::LightRed),
    bar: paint(0x22_27_2e, Color::Black),
    selected: paint(0x2b_33_3e, Color::DarkGray),
    on_accent: paint(0x10_14_19, Color::Black),
    names: [
        paint(0xf6_9d_50, Color::LightYellow),
        paint(0xdc_a3_f5, Color::LightMagenta),
        paint(0x7d_d3_c0, Color::LightCyan),
        paint(0xf2_8f_ad, Color::LightRed),
        paint(0xb8_cc_6c, Color::LightGreen),
        paint(0x9c_b4_f7, Color::LightBlue),
    ],
};

const LIGHT: Palette = Palette {
    dim: paint(0x5c_65_70, Color::DarkGray),
    faint: paint(0xc4_ca_d1, Color::Gray),
    accent: paint(0x09_57_b8, Color::Blue),
    green: paint(0x1a_7f_37, Color::Green),
    amber: paint(0x94_5b_00, Color::Yellow),
    red: paint(0xc0_23_2d, Color::Red),
    bar: paint(0xe9_ec_f0, Color::Gray),
    selected: paint(0xdc_e6_f2, Color::Gray),
    on_accent: paint(0xff_ff_ff, Color::White),
    names: [
        paint(0xa8_45_00, Color::Red),
        paint(0x82_3a_b4, Color::Magenta),
        paint(0x00_6c_6c, Color::Cyan),
        paint(0xb3_1d_5e, Color::Magenta),
        paint(0x4f_67_00, Color::Green),
        paint(0x3b_4f_c4, Color::Blue),
    ],
};

impl Theme {
    /// A theme for this ground and terminal.
    #[must_use]
    pub const fn new(tone: Tone, depth: Depth) -> Self {
        Self { tone, depth }
    }

    /// How many colours it uses.
    #[must_use]
    pub const fn depth(self) -> Depth {
        self.depth
    }

    /// The style of a role.
    #[must_use]
    pub fn style(self, role: Role) -> Style {
        if self.depth == Depth::Mono { mono(role) } else { self.coloured(role) }
    }

    /// The style of somebody's name: always the same one for the same name.
    #[must_use]
    pub fn name(self, name: &str) -> Style {
        let bold = Style::new().add_modifier(Modifier::BOLD);
        let names = &self.palette().names;
        let sum = name.bytes().fold(0_usize, |sum, b| sum.wrapping_mul(31).wrapping_add(usize::from(b)));
        match names.get(sum % names.len()) {
            Some(paint) if self.depth != Depth::Mono => bold.fg(self.color(*paint)),
            _ => bold,
        }
    }

    /// A colour of a picture, as near as the terminal can draw it.
    #[must_use]
    pub fn exact(self, r: u8, g: u8, b: u8) -> Color {
        match self.depth {
            Depth::True => Color::Rgb(r, g, b),
            Depth::Indexed => Color::Indexed(cube(r, g, b)),
            Depth::Mono | Depth::Sixteen => Color::Reset,
        }
    }

    /// Whether the ground is light.
    #[must_use]
    pub const fn is_light(self) -> bool {
        matches!(self.tone, Tone::Light)
    }

    /// Black on white, for codes that cameras read; without colour as the terminal has it.
    #[must_use]
    pub fn code(self) -> Style {
        match self.depth {
            Depth::Mono => Style::new().add_modifier(Modifier::REVERSED),
            Depth::Sixteen => Style::new().fg(Color::Black).bg(Color::White),
            Depth::Indexed => Style::new().fg(Color::Indexed(16)).bg(Color::Indexed(231)),
            Depth::True => Style::new().fg(Color::Rgb(0, 0, 0)).bg(Color::Rgb(255, 255, 255)),
        }
    }

    const fn palette(self) -> &'static Palette {
        match self.tone {
            Tone::Dark => &DARK,
            Tone::Light => &LIGHT,
        }
    }

    fn color(self, paint: Paint) -> Color {
        let (r, g, b) = paint.rgb;
        match self.depth {
            Depth::True => Color::Rgb(r, g, b),
            Depth::Indexed => Color::Indexed(cube(r, g, b)),
            _ => paint.ansi,
        }
    }

    fn coloured(self, role: Role) -> Style {
        let p = self.palette();
        let fg = |paint: Paint| Style::new().fg(self.color(paint));
        let bold = Modifier::BOLD;
        match role {
            Role::Text => Style::new(),
            Role::Strong => Style::new().add_modifier(bold),
            Role::Dim | Role::Offline => fg(p.dim),
            Role::Accent => fg(p.accent),
            Role::Key if self.depth == Depth::Sixteen => fg(p.accent).add_modifier(bold),
            Role::Key => fg(p.accent),
            Role::Title => fg(p.accent).add_modifier(bold),
            Role::Rule => fg(p.faint),
            Role::Bar => self.on_bar(Style::new()),
            Role::BarStrong => self.on_bar(fg(p.accent)).add_modifier(bold),
            Role::BarDim => self.on_bar(fg(p.dim)),
            Role::Own => fg(p.accent).add_modifier(bold),
            Role::Quote => fg(p.dim).add_modifier(Modifier::ITALIC),
            Role::New => fg(p.amber).add_modifier(bold),
            Role::Badge => fg(p.on_accent).bg(self.color(p.accent)).add_modifier(bold),
            Role::Online | Role::Good => fg(p.green),
            Role::Away | Role::Warning => fg(p.amber),
            Role::Error => fg(p.red).add_modifier(bold),
            Role::Selected => self.on_selected(Style::new()),
            Role::Marked => fg(p.accent).add_modifier(bold),
            Role::Field => fg(p.dim),
            Role::FieldActive => fg(p.accent),
            Role::Read => fg(p.green).add_modifier(bold),
        }
    }

    /// The bar has a ground of its own where the palette has one that surely differs. With sixteen
    /// colours the terminal's black may be anything: there the bar is reversed, and of one colour,
    /// because reversed colours are blots.
    fn on_bar(self, style: Style) -> Style {
        self.on_ground(style, self.palette().bar)
    }

    fn on_selected(self, style: Style) -> Style {
        self.on_ground(style, self.palette().selected)
    }

    fn on_ground(self, style: Style, ground: Paint) -> Style {
        if self.depth >= Depth::Indexed {
            return style.bg(self.color(ground));
        }
        style.fg(Color::Reset).bg(Color::Reset).add_modifier(Modifier::REVERSED)
    }
}

fn mono(role: Role) -> Style {
    let plain = Style::new();
    match role {
        Role::Dim | Role::Rule | Role::Offline | Role::Field => plain.add_modifier(Modifier::DIM),
        Role::Quote => plain.add_modifier(Modifier::ITALIC),
        Role::Strong
        | Role::Title
        | Role::Own
        | Role::New
        | Role::Error
        | Role::Marked
        | Role::Key
        | Role::Read
        | Role::FieldActive => plain.add_modifier(Modifier::BOLD),
        Role::Bar | Role::BarDim | Role::BarStrong | Role::Selected | Role::Badge => {
            plain.add_modifier(Modifier::REVERSED)
        }
        Role::Text | Role::Accent | Role::Online | Role::Away | Role::Good | Role::Warning => plain,
    }
}

/// The nearest colour of the 6×6×6 cube or the grey ramp of a 256-colour terminal.
fn cube(r: u8, g: u8, b: u8) -> u8 {
    const STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    let step = |v: u8| (0_u8..).zip(STEPS).min_by_key(|(_, s)| s.abs_diff(v)).unwrap_or((0, 0));
    let far = |x: u8, y: u8| u32::from(x.abs_diff(y)).pow(2);
    let ((ri, rs), (gi, gs), (bi, bs)) = (step(r), step(g), step(b));
    let in_cube = far(r, rs) + far(g, gs) + far(b, bs);
    let grey = (0_u8..24).map(|i| (i, 8 + 10 * i)).min_by_key(|(_, v)| far(r, *v) + far(g, *v) + far(b, *v));
    match grey {
        Some((i, v)) if far(r, v) + far(g, v) + far(b, v) < in_cube => 232 + i,
        _ => 16 + 36 * ri + 6 * gi + bi,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_colour_no_role_sets_one() {
        let theme = Theme::new(Tone::Dark, Depth::Mono);
        for role in [Role::Badge, Role::Error, Role::Online, Role::Bar, Role::Selected, Role::New] {
            let style = theme.style(role);
            assert_eq!((style.fg, style.bg), (None, None), "{role:?}");
        }
        assert_eq!(theme.name("bob").fg, None);
    }

    #[test]
    fn sixteen_colours_stay_within_the_palette() {
        for tone in [Tone::Dark, Tone::Light] {
            let style = Theme::new(tone, Depth::Sixteen).style(Role::Badge);
            for color in [style.fg, style.bg].into_iter().flatten() {
                assert!(!matches!(color, Color::Rgb(..) | Color::Indexed(_)), "{color:?}");
            }
        }
    }

    #[test]
    fn the_cube_finds_exact_and_grey_colours() {
        assert_eq!(cube(255, 0, 0), 196);
        assert_eq!(cube(0, 0, 0), 16);
        assert_eq!(cube(38, 38, 38), 235);
    }

    #[test]
    fn a_name_keeps_its_colour() {
        let theme = Theme::new(Tone::Dark, Depth::True);
        assert_eq!(theme.name("bob"), theme.name("bob"));
    }
}
