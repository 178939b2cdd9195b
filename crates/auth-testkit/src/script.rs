use crate::{Reply, queue::Queue};

/// The plan of one side of a server: a queue of [`Reply`]s, one for each request to come.
///
/// With nothing queued the server behaves as it should.
#[derive(Debug, Default)]
pub struct Script(Queue<Reply>);

impl Script {
    /// Queues the answer to the next request that has none yet.
    pub fn then(&self, reply: Reply) -> &Self {
        self.times(1, reply)
    }

    /// Queues the same answer for several requests.
    pub fn times(&self, times: usize, reply: Reply) -> &Self {
        self.0.push(times, &reply);
        self
    }

    /// Sets the answer to every request for which nothing is queued: a lasting outage.
    pub fn always(&self, reply: Reply) -> &Self {
        self.0.otherwise(reply);
        self
    }

    /// Forgets the whole plan.
    pub fn clear(&self) {
        self.0.clear();
    }

    /// Returns how many answers are still queued; a test that ends with some has not tested them.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn next(&self) -> Reply {
        self.0.next()
    }
}
