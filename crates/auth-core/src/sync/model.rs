//! The types that loom and shuttle lack, and the run of a model.

use std::{
    ops::Deref,
    sync::{Arc, Weak},
};

use super::{
    Mutex,
    atomic::{self, AtomicBool, AtomicUsize, Ordering},
};

#[cfg(test)]
pub(crate) use self::run::check;

/// An `OnceLock` of which a model can interrupt each operation.
#[derive(Debug)]
pub(crate) struct OnceLock<T> {
    value: std::sync::OnceLock<T>,
    is_set: AtomicBool,
    setting: Mutex<()>,
}

impl<T> OnceLock<T> {
    pub(crate) fn new() -> Self {
        Self {
            value: std::sync::OnceLock::new(),
            is_set: AtomicBool::new(false),
            setting: Mutex::new(()),
        }
    }

    pub(crate) fn get(&self) -> Option<&T> {
        let is_set = self.is_set.load(Ordering::Acquire);
        is_set.then(|| self.value.get()).flatten()
    }

    pub(crate) fn set(&self, value: T) -> Result<(), T> {
        let setting = self.setting.lock();
        self.value.set(value)?;
        self.is_set.store(true, Ordering::Release);
        drop(setting);
        Ok(())
    }
}

/// An `Arc` of which a model can interrupt each operation. The steps and orderings are those of the
/// standard library.
#[derive(Debug)]
pub(crate) struct Counted<T> {
    handles: Arc<AtomicUsize>,
    value: Arc<T>,
}

/// The `Weak` of [`Counted`].
#[derive(Debug)]
pub(crate) struct WeakCounted<T>(Option<WeakParts<T>>);

#[derive(Debug)]
struct WeakParts<T> {
    handles: Arc<AtomicUsize>,
    value: Weak<T>,
}

impl<T> Counted<T> {
    pub(crate) fn new(value: T) -> Self {
        Self {
            handles: Arc::new(AtomicUsize::new(1)),
            value: Arc::new(value),
        }
    }

    pub(crate) fn strong_count(handle: &Self) -> usize {
        handle.handles.load(Ordering::Relaxed)
    }

    pub(crate) fn downgrade(handle: &Self) -> WeakCounted<T> {
        WeakCounted(Some(WeakParts {
            handles: Arc::clone(&handle.handles),
            value: Arc::downgrade(&handle.value),
        }))
    }
}

impl<T> Clone for Counted<T> {
    fn clone(&self) -> Self {
        self.handles.fetch_add(1, Ordering::Relaxed);
        Self {
            handles: Arc::clone(&self.handles),
            value: Arc::clone(&self.value),
        }
    }
}

impl<T> Drop for Counted<T> {
    fn drop(&mut self) {
        if self.handles.fetch_sub(1, Ordering::Release) == 1 {
            atomic::fence(Ordering::Acquire);
        }
    }
}

/// Derefs to an `Arc`, so that methods with the receiver `&Arc<Self>` can be called.
impl<T> Deref for Counted<T> {
    type Target = Arc<T>;

    fn deref(&self) -> &Arc<T> {
        &self.value
    }
}

impl<T> WeakCounted<T> {
    pub(crate) const fn new() -> Self {
        Self(None)
    }

    pub(crate) fn upgrade(&self) -> Option<Counted<T>> {
        let WeakParts { handles, value } = self.0.as_ref()?;
        let (set, fetch) = (Ordering::Acquire, Ordering::Relaxed);
        let more = |handles: usize| (handles > 0).then(|| handles + 1);
        handles.fetch_update(set, fetch, more).ok()?;
        Some(Counted {
            handles: Arc::clone(handles),
            value: value.upgrade()?,
        })
    }
}

#[cfg(all(test, model = "loom"))]
mod run {
    use std::sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    };

    use loom::model::Builder;

    use super::report;

    /// Runs a model in every order of the threads' steps with at most `preemptions` preemptions,
    /// and with every value that a load may return. Prints how many orders there were.
    pub(crate) fn check(name: &str, preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
        let orders = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&orders);
        let mut builder = Builder::new();
        builder.preemption_bound = Some(preemptions);
        builder.check(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            model();
        });
        report(name, orders.load(Ordering::Relaxed));
    }
}

#[cfg(all(test, model = "shuttle"))]
mod run {
    use std::sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    };

    use shuttle::{
        Config, Runner,
        scheduler::{Schedule, Scheduler, Task, TaskId},
        thread,
    };

    use super::report;

    /// Runs a model in every order of the threads' steps with at most `preemptions` preemptions.
    /// Prints how many orders there were.
    pub(crate) fn check(name: &str, preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
        let orders = Arc::new(AtomicU64::new(0));
        let every_order = EveryOrder {
            most: preemptions,
            orders: Arc::clone(&orders),
            choices: Vec::new(),
            step: 0,
            preemptions: 0,
            in_a_row: 0,
            patience: PATIENCE,
        };
        let mut config = Config::new();
        config.stack_size = 256 * 1024;
        config.silence_warnings = true;
        let model = Arc::new(model);
        Runner::new(every_order, config).run(move || {
            let first = thread::current();
            let model = Arc::clone(&model);
            let runs = thread::spawn(move || {
                model();
                first.unpark();
            });
            thread::park();
            runs.join().expect("the model");
        });
        report(name, orders.load(Ordering::Relaxed));
    }

    /// Runs all orders with at most `most` preemptions, one after another: the last choice that has
    /// an alternative is changed. Shuttle's own depth-first scheduler has no bound.
    #[derive(Debug)]
    struct EveryOrder {
        most: usize,
        orders: Arc<AtomicU64>,
        choices: Vec<Choice>,
        step: usize,
        preemptions: usize,
        /// The number of steps since another thread ran.
        in_a_row: usize,
        /// How many steps a thread may take in a row. Increases, so that a thread that waits in a
        /// loop is not always stopped at the same place of the loop.
        patience: usize,
    }

    /// More than a thread needs for all its work.
    const PATIENCE: usize = 100;

    /// The thread that runs next, by its place among those that may run.
    #[derive(Debug)]
    struct Choice {
        taken: usize,
        of: usize,
    }

    impl Scheduler for EveryOrder {
        fn new_execution(&mut self) -> Option<Schedule> {
            (self.step, self.preemptions) = (0, 0);
            (self.in_a_row, self.patience) = (0, PATIENCE);
            if self.orders.load(Ordering::Relaxed) > 0 {
                let has_more = |choice: &Choice| choice.taken + 1 < choice.of;
                let last = self.choices.iter().rposition(has_more)?;
                self.choices.truncate(last + 1);
                self.choices[last].taken += 1;
            }
            self.orders.fetch_add(1, Ordering::Relaxed);
            Some(Schedule::new(0))
        }

        /// Shuttle lists the runnable threads by number, then the parked ones, which may wake up
        /// without a reason. The first thread of all is parked while the model runs. So it
        /// separates the two groups, and comes first only before and after the model.
        fn next_task(
            &mut self,
            listed: &[&Task],
            current: Option<TaskId>,
            _: bool,
        ) -> Option<TaskId> {
            let first = TaskId::from(0);
            let listed = listed.iter().map(|task| task.id());
            let mut threads: Vec<_> = listed.take_while(|id| *id != first).collect();
            if threads.is_empty() {
                return Some(first);
            }
            let mut goes_on = current.and_then(|id| threads.iter().position(|other| *other == id));
            if let Some(place) = goes_on {
                threads.swap(0, place);
                if self.in_a_row >= self.patience && threads.len() > 1 {
                    self.patience += 1;
                    threads.swap_remove(0);
                    goes_on = None;
                } else if self.preemptions == self.most {
                    threads.truncate(1);
                }
            }
            if self.step == self.choices.len() {
                let of = threads.len();
                self.choices.push(Choice { taken: 0, of });
            }
            let choice = &self.choices[self.step];
            assert_eq!(choice.of, threads.len(), "the model is not deterministic");
            self.step += 1;
            let changes = goes_on.is_none() || choice.taken > 0;
            self.in_a_row = if changes { 0 } else { self.in_a_row + 1 };
            self.preemptions += usize::from(changes && goes_on.is_some());
            Some(threads[choice.taken])
        }

        fn next_u64(&mut self) -> u64 {
            unreachable!("a model draws no random numbers")
        }
    }
}

#[cfg(test)]
fn report(name: &str, orders: u64) {
    println!("{name}: {orders} orders");
    test_report::line("model", [("model", name.into()), ("orders", orders.into())]);
}
