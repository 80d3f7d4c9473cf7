//! Apply, then act (SPEC 1.4): what a step lets out can be reached only by storing what it changes.

use zeroize::Zeroize;

use super::io::Output;
use crate::store::{Write, WriteBatch};

/// One step of the engine: a change of the store, and outputs that wait for it.
///
/// ```
/// # use chat_core::engine::{Boot, Context, Engine, Input, Route};
/// # use chat_core::{store::MemoryRecords, time::Timestamp};
/// # let (mut store, now) = (MemoryRecords::default(), Timestamp::from_ms(0));
/// # let mut rng = chat_fixtures::seeded::Seeded::new(1);
/// # let boot = Boot { id: chat_wire::ids::BootId([7; 16]) };
/// # let (mut engine, first) = Engine::open(now, boot, &mut Context { records: &store, rng: &mut rng })?;
/// # drop(first);
/// let step = engine.handle(now, Input::Connected(Route(1), [9; 32]), &mut Context { records: &store, rng: &mut rng })?;
/// // The outputs come out behind the write, and not at all when it fails.
/// let released = step.apply(|batch| Ok::<(), std::io::Error>(store.apply(batch)))?;
/// assert!(!released.into_outputs().is_empty()); // `Hello`, and when to wake up
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "nothing happens until the step is applied"]
pub struct Step {
    batch: WriteBatch,
    outputs: Vec<Output>,
}

impl Step {
    pub(super) fn new(batch: WriteBatch, outputs: Vec<Output>) -> Self {
        Self { batch, outputs }
    }

    /// Stores the change with `write`, then hands the outputs over. `write` may leave the change in an
    /// open transaction that several steps share, as long as nothing of [`Released`] is acted upon
    /// before that transaction is durable.
    ///
    /// # Errors
    /// What `write` says. The outputs are gone then, and so must the engine be: it is opened again
    /// from the records.
    pub fn apply<E>(self, write: impl FnOnce(&WriteBatch) -> Result<(), E>) -> Result<Released, E> {
        let Self { mut batch, outputs } = self;
        let written = if batch.is_empty() { Ok(()) } else { write(&batch) };
        // The values are keys and texts: what the store does not hold encrypted goes.
        for change in &mut batch.writes {
            if let Write::Put { value, .. } = change {
                value.zeroize();
            }
        }
        written.map(|()| Released { outputs })
    }
}

/// Outputs of a step whose change is stored.
#[derive(Debug)]
#[must_use = "outputs are to be acted upon"]
pub struct Released {
    outputs: Vec<Output>,
}

impl Released {
    /// The outputs, in order.
    #[must_use]
    pub fn into_outputs(self) -> Vec<Output> {
        self.outputs
    }
}

impl IntoIterator for Released {
    type Item = Output;
    type IntoIter = std::vec::IntoIter<Output>;

    fn into_iter(self) -> Self::IntoIter {
        self.outputs.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Table;

    #[test]
    fn a_failed_write_lets_no_output_out() {
        let batch =
            WriteBatch { writes: vec![Write::Delete { table: Table::Meta, key: vec![1] }], ..WriteBatch::default() };
        let step = Step::new(batch, vec![Output::Close(crate::engine::Route(1))]);
        assert_eq!(step.apply(|_| Err("disk full")).map(|r| r.into_outputs().len()), Err("disk full"));
    }

    #[test]
    fn a_step_without_a_change_needs_no_write() {
        let step = Step::new(WriteBatch::default(), vec![Output::Close(crate::engine::Route(1))]);
        let released = step.apply(|_| Err("must not be called"));
        assert_eq!(released.map(|r| r.into_iter().count()), Ok(1));
    }
}
