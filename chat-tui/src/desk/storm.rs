//! Anything may happen in any order at any size: nothing panics, nothing is drawn outside, and what one
//! looks at stays where it is.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Event {
    Key(Key),
    Paste(String),
    Resize(u16, u16),
    Focus(bool),
    Click(u16, u16),
    Wheel(u16, u16, i16),
    Arrives(usize, String),
    Stranger(usize),
    Presence(usize, bool),
    Typing(usize, bool),
    Pass(u64),
    Woken,
    Start,
    LoggedOut,
    Hush(bool),
}

const NAMES: [&str; 4] = ["bob", "carol", "dave", "alice"];

fn key() -> impl Strategy<Value = Key> {
    let named = prop::sample::select(
        crate::keymap::TABLE.iter().flat_map(|s| s.keys.iter()).filter_map(|k| Key::parse(k)).collect::<Vec<_>>(),
    );
    prop_oneof![4 => named, 2 => any::<char>().prop_map(|c| Key::plain(crate::keymap::Code::Char(c))), 3 => "[a-z/ ]".prop_map(|s| {
        Key::plain(crate::keymap::Code::Char(s.chars().next().unwrap_or('x')))
    })]
}

fn event() -> impl Strategy<Value = Event> {
    let name = 0..NAMES.len();
    prop_oneof![
        12 => key().prop_map(Event::Key),
        1 => "(\\PC|\n|\u{1b}|\u{202e}|👩‍🚀|漢|ع){0,60}".prop_map(Event::Paste),
        2 => (1_u16..=200, 1_u16..=60).prop_map(|(w, h)| Event::Resize(w, h)),
        1 => any::<bool>().prop_map(Event::Focus),
        1 => (0_u16..200, 0_u16..60).prop_map(|(x, y)| Event::Click(x, y)),
        1 => (0_u16..200, 0_u16..60, -3_i16..=3).prop_map(|(x, y, n)| Event::Wheel(x, y, n)),
        4 => (name.clone(), "(\\PC|\n|\u{1b}|👩‍🚀|漢字| ){0,200}").prop_map(|(n, t)| Event::Arrives(n, t)),
        1 => name.clone().prop_map(Event::Stranger),
        1 => (name.clone(), any::<bool>()).prop_map(|(n, b)| Event::Presence(n, b)),
        1 => (name, any::<bool>()).prop_map(|(n, b)| Event::Typing(n, b)),
        1 => (0_u64..20_000).prop_map(Event::Pass),
        1 => Just(Event::Woken),
        1 => Just(Event::Start),
        1 => Just(Event::LoggedOut),
        1 => any::<bool>().prop_map(Event::Hush),
    ]
}

fn happen(desk: &mut Desk, event: Event) {
    match event {
        Event::Key(key) => desk.tell(Msg::Key(key)),
        Event::Paste(text) => desk.tell(Msg::Paste(text)),
        Event::Resize(w, h) => desk.resize(w, h),
        Event::Focus(f) => desk.tell(Msg::Focus(f)),
        Event::Click(column, row) => desk.tell(Msg::Pointer(crate::model::Pointer::Click { column, row })),
        Event::Wheel(column, row, lines) => {
            desk.tell(Msg::Pointer(crate::model::Pointer::Wheel { column, row, lines }))
        }
        Event::Arrives(n, text) => drop(desk.arrives(NAMES[n], &text)),
        Event::Stranger(n) => desk.stranger(&format!("{}x", NAMES[n]), "hello\nyou"),
        Event::Presence(n, online) => {
            desk.presence(NAMES[n], if online { Availability::Online } else { Availability::Offline });
        }
        Event::Typing(n, active) => {
            let name = Name::new(NAMES[n]);
            desk.tell(Msg::Typing { chat: name.clone(), who: name, active });
        }
        Event::Pass(ms) => desk.pass(ms),
        Event::Woken => desk.tell(Msg::Woken),
        Event::Start => desk.started(),
        Event::LoggedOut => desk.tell(Msg::LoggedOut { reason: SafeText::line("x") }),
        Event::Hush(mute) => desk.mute = mute,
    }
    invariants(desk);
}

/// What must hold after every event.
fn invariants(desk: &Desk) {
    for chat in desk.model.chats.values() {
        let timeline = &chat.timeline;
        let here = |serial| timeline.entry(serial).is_some();
        assert!(timeline.anchor.is_none_or(|a| here(a.serial)), "the anchor is a message that is here");
        assert!(timeline.selected.is_none_or(here), "so is the marked one");
        assert!(timeline.divider.is_none_or(|d| here(d.before)), "and the one below the new-line");
        let mut serials: Vec<u64> = timeline.entries().iter().map(|e| e.serial).collect();
        serials.sort_unstable();
        serials.dedup();
        assert_eq!(serials.len(), timeline.entries().len(), "no message is there twice");
        let mut ids: Vec<MsgId> = timeline.entries().iter().filter_map(|e| e.id).collect();
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), count, "no id is there twice");
    }
    assert!(desk.model.roster.cursor <= desk.model.roster.lines());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, max_shrink_iters: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn no_sequence_of_events_at_any_size_panics(
        size in (1_u16..=200, 1_u16..=60), events in prop::collection::vec(event(), 1..60), depth in 0..4_usize,
    ) {
        let depth = [Depth::Mono, Depth::Sixteen, Depth::Indexed, Depth::True][depth];
        let mut desk = Desk::coloured(size.0, size.1, depth);
        for n in 0..150 {
            desk.past("bob", n % 2 == 0, &format!("message {n} {}", "words ".repeat(n % 30)), 400 - n as u64);
        }
        desk = desk.with_alice();
        for event in events {
            happen(&mut desk, event);
        }
    }

    #[test]
    fn what_one_reads_stays_at_the_bottom_whatever_comes_and_however_the_screen_changes(
        up in 3_usize..25, arrivals in prop::collection::vec("[a-z ]{1,300}", 0..20), sizes in prop::collection::vec((30_u16..160, 8_u16..50), 1..6),
    ) {
        let mut desk = Desk::new(80, 24);
        for n in 0..150 {
            desk.past("bob", n % 2 == 0, &format!("message {n} {}", "words ".repeat(n % 30)), 400 - n as u64);
        }
        desk = desk.with_alice();
        desk.keys("/dm bob<enter>");
        for _ in 0..up {
            desk.keys("<pageup>");
        }
        let anchor = desk.model.open_chat().unwrap().timeline.anchor.expect("scrolled up");
        for text in &arrivals {
            desk.arrives("bob", text);
        }
        prop_assert_eq!(desk.model.open_chat().unwrap().timeline.anchor, Some(anchor), "nothing moves when messages come");
        for (w, h) in sizes {
            desk.resize(w, h);
            let now = desk.model.open_chat().unwrap().timeline.anchor;
            if let Some(now) = now {
                let at = |serial| desk.model.open_chat().unwrap().timeline.position(serial).unwrap();
                prop_assert!(at(now.serial) >= at(anchor.serial), "only the top of the history may push it down");
            }
        }
        desk.keys("<esc><end>");
        prop_assert_eq!(desk.model.open_chat().unwrap().timeline.anchor, None);
    }
}
