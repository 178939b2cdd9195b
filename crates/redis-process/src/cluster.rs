use super::{RedisServer, free_port};

/// A cluster of three nodes, each with a third of the slots, without replicas.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<RedisServer>,
}

impl RedisCluster {
    /// Starts the nodes with additional arguments, joins them, and waits until all nodes report
    /// that the cluster is complete.
    ///
    /// # Panics
    ///
    /// As [`RedisServer::start`], and if the nodes do not form a cluster.
    #[must_use]
    pub fn start(arguments: &[&str]) -> Self {
        let mut buses = Vec::new();
        let mut nodes = Vec::new();
        for _ in 0..NODES {
            let bus = free_port().to_string();
            let own = ["--cluster-enabled", "yes", "--cluster-port", &bus];
            nodes.push(RedisServer::start(&[&own[..], arguments].concat()));
            buses.push(bus);
        }
        for (number, node) in nodes.iter().enumerate() {
            let epoch = (number + 1).to_string();
            done(node, &["CLUSTER", "SET-CONFIG-EPOCH", &epoch]);
            let first = (SLOTS * number / NODES).to_string();
            let last = (SLOTS * (number + 1) / NODES - 1).to_string();
            done(node, &["CLUSTER", "ADDSLOTSRANGE", &first, &last]);
            let port = nodes[0].port().to_string();
            done(node, &["CLUSTER", "MEET", "127.0.0.1", &port, &buses[0]]);
        }
        let this = Self { nodes };
        this.wait_until_complete();
        this
    }

    /// Returns the nodes, in the order of their slots.
    #[must_use]
    pub fn nodes(&self) -> &[RedisServer] {
        &self.nodes
    }

    /// Returns the nodes mutably, to kill and restart them.
    pub fn nodes_mut(&mut self) -> &mut [RedisServer] {
        &mut self.nodes
    }

    /// Returns the nodes' URLs.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(RedisServer::url).collect()
    }

    /// Returns the index of the node that has a key.
    ///
    /// # Panics
    ///
    /// If no node has the key.
    #[must_use]
    pub fn node_of(&self, key: &str) -> usize {
        let is_there = |node: &RedisServer| !node.command(&["EXISTS", key]).starts_with("-MOVED");
        let node = self.nodes.iter().position(is_there);
        node.expect("one node has the key")
    }

    /// Moves the slot of a key to another node, as when a cluster grows. The slot must be empty.
    ///
    /// # Panics
    ///
    /// If a node refuses the move.
    pub fn move_slot_of(&self, key: &str, to: usize) {
        let slot = self.nodes[to].command(&["CLUSTER", "KEYSLOT", key]);
        let slot = slot.trim_start_matches(':').to_owned();
        let id = self.nodes[to].command(&["CLUSTER", "MYID"]);
        let id = id.rsplit(' ').next().unwrap_or_default();
        for node in &self.nodes {
            done(node, &["CLUSTER", "SETSLOT", &slot, "NODE", id]);
        }
        self.wait_until_complete();
    }

    /// Waits until all nodes know all nodes and all slots.
    ///
    /// # Panics
    ///
    /// If the nodes do not form a cluster in time.
    pub fn wait_until_complete(&self) {
        for node in &self.nodes {
            node.wait_until(&["CLUSTER", "INFO"], |info| {
                info.contains("cluster_state:ok")
                    && info.contains("cluster_slots_ok:16384")
                    && info.contains("cluster_known_nodes:3")
            });
        }
    }
}

#[track_caller]
fn done(node: &RedisServer, words: &[&str]) {
    assert_eq!(node.command(words), "+OK", "{words:?}");
}

const NODES: usize = 3;
const SLOTS: usize = 16384;
