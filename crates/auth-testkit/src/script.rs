use crate::{Reply, queue::Queue};

/// The script of one side of a server: a queue of [`Reply`]s, one for each request to come.
///
/// With an empty queue the server behaves normally.
#[derive(Debug, Default)]
pub struct Script(Queue<Reply>);

impl Script {
    /// Queues the answer to the next request.
    pub fn then(&self, reply: Reply) -> &Self {
        self.times(1, reply)
    }

    /// Queues the same answer for several requests.
    pub fn times(&self, times: usize, reply: Reply) -> &Self {
        self.0.push(times, &reply);
        self
    }

    /// Sets the answer to every request while the queue is empty: a lasting outage.
    pub fn always(&self, reply: Reply) -> &Self {
        self.0.otherwise(reply);
        self
    }

    /// Removes all queued answers, and the answer for an empty queue.
    pub fn clear(&self) {
        self.0.clear();
    }

    /// Returns the number of queued answers; a test that ends with some has not tested them.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn next(&self) -> Reply {
        self.0.next()
    }
}
