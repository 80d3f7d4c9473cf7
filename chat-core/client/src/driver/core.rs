//! Engine and store as one: a step is stored inside the current transaction before its outputs are
//! handed on, and nothing of a failed transaction stays in memory.

use chat_core::engine::{Answer, Boot, Context, Engine, EngineError, FailureKind, Input, Output, Query, Status};
use chat_wire::ids::BootId;
use getrandom::SysRng;
use rand_core::UnwrapErr;

use crate::clock;
use crate::store::{Store, StoreError};

/// Why a step was not made or not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// An earlier fault took the engine, and it could not be opened again yet.
    #[error("the engine is not open")]
    NoEngine,
}

impl Fault {
    pub(super) fn kind(self) -> FailureKind {
        match self {
            Self::Store(error) => error.kind(),
            Self::Engine(EngineError::Store { .. } | EngineError::Missing { .. }) => FailureKind::Integrity,
            Self::Engine(_) => FailureKind::Internal,
            Self::NoEngine => FailureKind::Io,
        }
    }
}

/// Engine and store of one profile.
pub(super) struct Core {
    pub(super) store: Store,
    engine: Option<Engine>,
    /// A step since the last look erased the profile.
    erased: bool,
}

impl Core {
    pub(super) fn new(store: Store) -> Self {
        Self { store, engine: None, erased: false }
    }

    /// Opens the engine from the records, dropping the one before.
    pub(super) fn open(&mut self) -> Result<Vec<Output>, Fault> {
        self.engine = None;
        let mut id = [0; BootId::BYTES];
        getrandom::fill(&mut id).map_err(|_| StoreError::Io { code: 0 })?;
        let opened = self.within(|core| {
            let mut rng = UnwrapErr(SysRng);
            let mut cx = Context { records: &core.store, rng: &mut rng };
            let (engine, step) = Engine::open(clock::now(), Boot { id: BootId(id) }, &mut cx)?;
            let outputs = step.apply(|batch| core.store.apply(batch))?.into_outputs();
            Ok((engine, outputs))
        });
        let (engine, outputs) = opened?;
        self.engine = Some(engine);
        Ok(outputs)
    }

    /// Does something in a transaction of its own.
    pub(super) fn within<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        self.store.begin()?;
        match work(self).and_then(|done| Ok(self.store.commit().map(|()| done)?)) {
            Ok(done) => Ok(done),
            Err(fault) => {
                self.store.roll_back();
                Err(fault)
            }
        }
    }

    /// One step, stored inside the current transaction. Its outputs may be acted upon once that is
    /// committed. After a fault the engine must be opened again.
    pub(super) fn handle(&mut self, input: Input) -> Result<Vec<Output>, Fault> {
        let engine = self.engine.as_mut().ok_or(Fault::NoEngine)?;
        let mut rng = UnwrapErr(SysRng);
        let mut cx = Context { records: &self.store, rng: &mut rng };
        let step = engine.handle(clock::now(), input, &mut cx)?;
        let erased = &mut self.erased;
        let store = &self.store;
        let released = step.apply(|batch| {
            *erased |= batch.erase;
            store.apply(batch)
        })?;
        Ok(released.into_outputs())
    }

    /// Asks the records, with the steps of the current transaction.
    pub(super) fn query(&self, query: Query) -> Result<Answer, Fault> {
        let engine = self.engine.as_ref().ok_or(Fault::NoEngine)?;
        let answer = engine.query(clock::now(), &query, &self.store);
        self.store.settled()?;
        Ok(answer)
    }

    /// Who is logged in; nobody when that can't be read.
    pub(super) fn status(&self) -> Status {
        match self.query(Query::Status) {
            Ok(Answer::Status(status)) => status,
            _ => Status::default(),
        }
    }

    pub(super) fn has_engine(&self) -> bool {
        self.engine.is_some()
    }

    /// Whether the profile was erased since the last look.
    pub(super) fn take_erased(&mut self) -> bool {
        std::mem::take(&mut self.erased)
    }
}
