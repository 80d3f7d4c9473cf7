//! Keys, actions and the table that ties them together.

mod key;
mod profile;
mod table;

use std::collections::{BTreeMap, HashMap};

pub use key::{Code, Key};
pub use profile::Profile;
pub use table::{Action, Scope, Slash, Spec, TABLE};

/// Bindings in force: the table's, changed by the configuration.
#[derive(Debug, Clone)]
pub struct Keymap {
    bound: HashMap<(Scope, Key), Action>,
    /// Keys of each row of the table, in the table's order.
    shown: Vec<Vec<Key>>,
}

/// What was wrong with a binding of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BindingProblem {
    /// No action has this name.
    UnknownAction {
        /// As written.
        name: String,
    },
    /// That is no key.
    UnknownKey {
        /// As written.
        key: String,
    },
}

impl Default for Keymap {
    fn default() -> Self {
        Self::new(Profile::Default, &BTreeMap::new()).0
    }
}

impl Keymap {
    /// The table's bindings with the profile's and then the configuration's (`key = action`) on top. A key
    /// bound to an action is taken from whatever had it in the same scope.
    #[must_use]
    pub fn new(profile: Profile, overrides: &BTreeMap<String, String>) -> (Self, Vec<BindingProblem>) {
        let mut shown: Vec<Vec<Key>> =
            TABLE.iter().map(|spec| spec.keys.iter().filter_map(|k| table_key(k)).collect()).collect();
        let mut problems = Vec::new();
        let chosen = overrides.iter().map(|(key, name)| (key.as_str(), name.as_str()));
        for (key_text, name) in profile.bindings().iter().copied().chain(chosen) {
            let Some(key) = Key::parse(key_text) else {
                problems.push(BindingProblem::UnknownKey { key: key_text.to_owned() });
                continue;
            };
            let Some(at) = TABLE.iter().position(|s| s.id == name) else {
                problems.push(BindingProblem::UnknownAction { name: name.to_owned() });
                continue;
            };
            let scope = TABLE.get(at).map(|s| s.scope);
            for (spec, keys) in TABLE.iter().zip(&mut shown) {
                if Some(spec.scope) == scope {
                    keys.retain(|k| *k != key);
                }
            }
            if let Some(keys) = shown.get_mut(at) {
                keys.insert(0, key);
            }
        }
        let bound = TABLE
            .iter()
            .zip(&shown)
            .flat_map(|(spec, keys)| keys.iter().map(move |key| ((spec.scope, *key), spec.action)))
            .collect();
        (Self { bound, shown }, problems)
    }

    /// What a key does here, or everywhere.
    #[must_use]
    pub fn action(&self, scope: Scope, key: Key) -> Option<Action> {
        self.bound.get(&(scope, key)).or_else(|| self.bound.get(&(Scope::Global, key))).copied()
    }

    /// The table's rows with the keys in force.
    pub fn rows(&self) -> impl Iterator<Item = (&'static Spec, &[Key])> {
        TABLE.iter().zip(self.shown.iter().map(Vec::as_slice))
    }

    /// Keys and words for the hint row: of the scope, then those of everywhere that make sense in it.
    pub fn hints(&self, scope: Scope) -> impl Iterator<Item = (Action, Key, &'static str)> {
        let of = move |wanted: Scope| {
            self.rows()
                .filter(move |(spec, _)| spec.scope == wanted && !spec.hint.is_empty())
                .filter_map(|(spec, keys)| Some((spec.action, *keys.first()?, spec.hint)))
        };
        let everywhere = of(Scope::Global).filter(move |(action, ..)| match scope {
            Scope::Composer | Scope::Messages | Scope::List | Scope::Request | Scope::Changed => true,
            Scope::Door | Scope::Code => matches!(action, Action::Help | Action::Quit),
            _ => false,
        });
        of(scope).chain(everywhere)
    }

    /// The key to show for an action, wherever it is bound.
    #[must_use]
    pub fn key_of(&self, action: Action) -> Option<Key> {
        self.rows().find(|(spec, keys)| spec.action == action && !keys.is_empty()).and_then(|(_, k)| k.first().copied())
    }
}

/// A key of the table; Shift-Tab has a name of its own there.
fn table_key(text: &str) -> Option<Key> {
    if text == "backtab" { Some(Key { shift: true, ..Key::plain(Code::Tab) }) } else { Key::parse(text) }
}

/// The row of a slash command.
#[must_use]
pub fn slash(name: &str) -> Option<&'static Spec> {
    TABLE.iter().find(|s| s.slash.is_some_and(|s| s.name == name))
}

/// The slash command of an action.
#[must_use]
pub fn slash_of(action: Action) -> Option<Slash> {
    TABLE.iter().find_map(|s| s.slash.filter(|_| s.action == action))
}

/// Rows whose slash command starts like this, in the table's order.
pub fn slashes(prefix: &str) -> impl Iterator<Item = (&'static Spec, Slash)> {
    TABLE.iter().filter_map(|s| Some((s, s.slash?))).filter(move |(_, s)| s.name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_the_table_is_a_key_and_no_scope_binds_one_twice() {
        let mut seen = HashMap::new();
        for spec in TABLE {
            assert!(!spec.help.is_empty(), "{} has no help", spec.id);
            assert!(!spec.keys.is_empty() || spec.slash.is_some(), "{} can't be reached", spec.id);
            for key in spec.keys {
                let parsed = table_key(key).unwrap_or_else(|| panic!("{key} of {}", spec.id));
                let other = seen.insert((spec.scope, parsed), spec.id);
                assert_eq!(other, None, "{key} in {:?}", spec.scope);
            }
        }
        let ids: std::collections::BTreeSet<_> = TABLE.iter().map(|s| s.id).collect();
        assert_eq!(ids.len(), TABLE.len(), "an id is there twice");
    }

    #[test]
    fn the_configuration_moves_a_key_and_a_misspelt_action_is_named() {
        let overrides =
            BTreeMap::from([("ctrl-g".into(), "go".into()), ("f9".into(), "qiut".into()), ("foo".into(), "go".into())]);
        let (map, problems) = Keymap::new(Profile::Default, &overrides);
        let key = Key::parse("ctrl-g").unwrap();
        assert_eq!(map.action(Scope::Composer, key), Some(Action::Switcher));
        assert_eq!(map.key_of(Action::Switcher), Some(key));
        assert_eq!(problems.len(), 2);
        assert!(problems.contains(&BindingProblem::UnknownAction { name: "qiut".into() }));
    }

    #[test]
    fn a_profile_binds_only_what_is_there_and_the_configuration_counts_on_top() {
        let overrides = BTreeMap::from([("ctrl-s".into(), "settings".into())]);
        for profile in [Profile::Vim, Profile::Emacs] {
            let (map, problems) = Keymap::new(profile, &overrides);
            assert_eq!(problems, []);
            assert_eq!(map.action(Scope::Composer, Key::parse("ctrl-s").unwrap()), Some(Action::Settings));
        }
        let (emacs, _) = Keymap::new(Profile::Emacs, &BTreeMap::new());
        let kill = Key::parse("ctrl-k").unwrap();
        assert_eq!(emacs.action(Scope::Composer, kill), Some(Action::KillToEnd));
        assert_eq!(emacs.key_of(Action::Switcher), Key::parse("alt-x"));
    }

    #[test]
    fn the_inner_scope_wins_over_everywhere() {
        let map = Keymap::default();
        let up = Key::parse("ctrl-p").unwrap();
        assert_eq!(map.action(Scope::Menu, up), Some(Action::Up));
        assert_eq!(map.action(Scope::Composer, up), Some(Action::Switcher));
    }
}
