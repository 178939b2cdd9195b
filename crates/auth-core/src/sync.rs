//! What threads share state with: the standard library's types, or those of loom in models, which
//! run in every order of the threads' steps (`cargo xtask models`).

#[cfg(not(model))]
pub(crate) use std::sync::{Mutex, MutexGuard, OnceLock, atomic};

#[cfg(model)]
pub(crate) use self::model::OnceLock;
#[cfg(model)]
pub(crate) use loom::sync::{Mutex, MutexGuard, atomic};

#[cfg(model)]
mod model {
    use super::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    };

    /// Loom has no `OnceLock`: this one has the same operations, each of which loom can interrupt.
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
}
