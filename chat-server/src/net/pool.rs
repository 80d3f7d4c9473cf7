//! Threads for what needs nothing of the relay's state: signatures, and the relay's share of OPAQUE. A flood of
//! logins queues here and delays nobody's messages. At most one task a connection is under way, so that the
//! limit on connections is the queue's limit as well.

use std::sync::mpsc as threads;
use std::sync::{Arc, Mutex, PoisonError};

use chat_relay::{Done, Task};
use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;

/// Threads at most: a login takes about 0.2 ms, so that eight make tens of thousands a second.
const THREADS_MAX: usize = 8;

/// Cores for each thread: the others are for messages, whatever a flood of logins asks for.
const CORES_PER_THREAD: usize = 2;

/// How far the threads stand back behind those that pass messages on (as `nice` counts): a ninth of their share
/// of a core that both want.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// Where tasks go, and where they come back.
pub(super) struct Pool<S> {
    tasks: threads::Sender<Task<S>>,
    done: Arc<Mutex<Vec<Done<S>>>>,
}

impl<S: 'static> Pool<S> {
    /// Starts the threads. `wake` says that something is done, and whether anybody still wants to know; they end
    /// then, or with the pool.
    pub(super) fn start(wake: impl Fn() -> bool + Clone + Send + 'static) -> std::io::Result<Self> {
        let (tasks, work) = threads::channel();
        let (work, done) = (Arc::new(Mutex::new(work)), Arc::new(Mutex::new(Vec::new())));
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let count = cores.div_ceil(CORES_PER_THREAD).min(THREADS_MAX);
        for _ in 0..count {
            let (work, done, wake) = (Arc::clone(&work), Arc::clone(&done), wake.clone());
            std::thread::Builder::new().name("relay-login".to_owned()).spawn(move || labour(&work, &done, wake))?;
        }
        Ok(Self { tasks, done })
    }

    /// Has a task done.
    pub(super) fn give(&self, task: Task<S>) {
        // The threads live as long as this sender.
        let _ = self.tasks.send(task);
    }

    /// What is done by now.
    pub(super) fn take_done(&self) -> Vec<Done<S>> {
        std::mem::take(&mut self.done.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn labour<S>(work: &Mutex<threads::Receiver<Task<S>>>, done: &Mutex<Vec<Done<S>>>, wake: impl Fn() -> bool) {
    stand_back();
    let mut rng = UnwrapErr(SysRng);
    loop {
        let next = work.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(task) = next else { return };
        let result = task.run(&mut rng);
        let first = {
            let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
            done.push(result);
            done.len() == 1
        };
        // What is added before the worker looks comes along with the first.
        if first && !wake() {
            return;
        }
    }
}

/// On Linux a priority is a thread's own. Where it can't be had, logins and messages share.
fn stand_back() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(None, NICENESS);
}
