//! The rows of the table of goals: which figure each row shows, and what stands in the way of a
//! goal that is not reached. The limits and goals are those of the bench programs.

/// One row of the table.
pub(crate) struct Row {
    /// What is measured, and what the figure is compared with.
    pub(crate) what: &'static str,
    pub(crate) bench: &'static str,
    pub(crate) figure: &'static str,
    /// A second number for the reader, where the figure is a ratio and the goal is an amount.
    pub(crate) amount: Option<Amount>,
    /// Shown only if the goal is not reached.
    pub(crate) in_the_way: Option<&'static str>,
}

/// The difference of two figures of the same program.
pub(crate) struct Amount {
    pub(crate) of: &'static str,
    /// What is subtracted.
    pub(crate) base: Option<&'static str>,
    pub(crate) unit: &'static str,
}

pub(crate) const REQUEST: &str = "per request";
pub(crate) const HYPER: &str = "clients";
pub(crate) const REQWEST: &str = "reqwest clients";
pub(crate) const MEMORY: &str = "memory";
pub(crate) const KEYS: &str = "keys";
pub(crate) const THREADS: &str = "threads";
pub(crate) const TASKS: &str = "tasks";
pub(crate) const STAMPEDE: &str = "stampede";
pub(crate) const BUILD: &str = "build";
pub(crate) const REPEAT: &str = "repeat";

/// All rows, in the order of the table.
pub(crate) const ROWS: &[Row] = &[
    Row {
        in_the_way: Some(SIGNING),
        ..row(
            "signed, replay off, of tower-http's static header",
            REQUEST,
            "replay off, instructions of AddAuthorization's: header map with room",
        )
    },
    Row {
        in_the_way: Some(SIGNING),
        ..row(
            "the same, response read in place",
            REQUEST,
            "replay off, instructions of AddAuthorization's: map with room, response read in place",
        )
    },
    Row {
        in_the_way: Some(
            "the plain signing costs most of it; the rest looks through the response's extensions \
             for marks of these crates",
        ),
        ..row(
            "the same, response carries an extension",
            REQUEST,
            "replay off, instructions of AddAuthorization's: map with room, response with an extension",
        )
    },
    Row {
        in_the_way: Some(REPLAY),
        ..row(
            "with replay, of tower's Retry + static header: map with room",
            REQUEST,
            "replay, instructions of Retry + AddAuthorization's: header map with room",
        )
    },
    Row {
        in_the_way: Some(REPLAY),
        ..row(
            "with replay, of tower's Retry + static header: full map",
            REQUEST,
            "replay, instructions of Retry + AddAuthorization's: full map",
        )
    },
    Row {
        in_the_way: Some(REPLAY),
        ..row(
            "with replay, of tower's Retry + static header: full map, 4 KiB body",
            REQUEST,
            "replay, instructions of Retry + AddAuthorization's: full map, 4 KiB body",
        )
    },
    Row {
        amount: Some(Amount {
            of: "AuthLayer, replay off: instructions",
            base: Some("tower-http AddAuthorization: instructions"),
            unit: "instructions more than the static header",
        }),
        in_the_way: Some(
            "the signed future is larger than the client's own and is moved when `oneshot` starts",
        ),
        ..row(
            "hyper-util's client, replay off, of the static header",
            HYPER,
            "AuthLayer, replay off, instructions over hyper-util's client without a layer, of AddAuthorization's",
        )
    },
    Row {
        amount: Some(Amount {
            of: "AuthLayer: instructions",
            base: Some("tower-http AddAuthorization: instructions"),
            unit: "instructions more than the static header",
        }),
        in_the_way: Some(REPLAY),
        ..row(
            "hyper-util's client, with replay, of the static header",
            HYPER,
            "AuthLayer, instructions over hyper-util's client without a layer, of AddAuthorization's",
        )
    },
    row(
        "future around hyper-util's client, with replay, bytes more",
        HYPER,
        "future around hyper-util's client, AuthLayer: bytes more",
    ),
    Row {
        in_the_way: Some(KEYED),
        ..row(
            "AuthLayer::keyed, replay off, of AuthLayer: 16-byte subject",
            REQUEST,
            "AuthLayer::keyed, replay off, instructions of one key's: key with a subject of 16 bytes",
        )
    },
    Row {
        in_the_way: Some(KEYED),
        ..row(
            "AuthLayer::keyed, replay off, of AuthLayer: 1 KiB subject",
            REQUEST,
            "AuthLayer::keyed, replay off, instructions of one key's: key with a subject of 1 KiB",
        )
    },
    Row {
        in_the_way: Some(KEYED),
        ..row(
            "AuthLayer::keyed, with replay, of AuthLayer: 16-byte subject",
            REQUEST,
            "AuthLayer::keyed, instructions of one key's: key with a subject of 16 bytes",
        )
    },
    Row {
        in_the_way: Some(KEYED),
        ..row(
            "AuthLayer::keyed, with replay, of AuthLayer: 1 KiB subject",
            REQUEST,
            "AuthLayer::keyed, instructions of one key's: key with a subject of 1 KiB",
        )
    },
    Row {
        in_the_way: Some(
            "the origin is compared a second time, because the listed origin has no port and the \
             URI has one",
        ),
        ..row(
            "URI with :443, of the static header",
            REQUEST,
            "replay off, instructions of AddAuthorization's: map with room, URI with :443",
        )
    },
    Row {
        in_the_way: Some(FOREIGN),
        ..row(
            "another origin, unsigned, of the static header",
            REQUEST,
            "replay off, instructions of AddAuthorization's: another origin, 1 permitted",
        )
    },
    Row {
        in_the_way: Some(FOREIGN),
        ..row(
            "another origin, 20 permitted, of the static header",
            REQUEST,
            "replay off, instructions of AddAuthorization's: another origin, 20 permitted",
        )
    },
    Row {
        in_the_way: Some(MIDDLEWARE),
        ..row(
            "AuthMiddleware, replay off, of a hand-written one with RwLock: GET",
            REQWEST,
            "GET: AuthMiddleware, replay off, instructions of those of hand-written middleware, RwLock",
        )
    },
    Row {
        in_the_way: Some(MIDDLEWARE),
        ..row(
            "AuthMiddleware, replay off, of a hand-written one with RwLock: POST",
            REQWEST,
            "POST: AuthMiddleware, replay off, instructions of those of hand-written middleware, RwLock",
        )
    },
    Row {
        in_the_way: Some(MIDDLEWARE),
        ..row(
            "AuthMiddleware, of a hand-written one with try_clone: GET",
            REQWEST,
            "GET: AuthMiddleware, instructions of those of hand-written middleware, RwLock, try_clone",
        )
    },
    Row {
        in_the_way: Some(MIDDLEWARE),
        ..row(
            "AuthMiddleware, of a hand-written one with try_clone: POST",
            REQWEST,
            "POST: AuthMiddleware, instructions of those of hand-written middleware, RwLock, try_clone",
        )
    },
    Row {
        amount: Some(Amount {
            of: "GET, ReqwestService: instructions",
            base: Some("GET, reqwest: instructions"),
            unit: "instructions more",
        }),
        in_the_way: Some(SERVICE),
        ..row(
            "ReqwestService, of bare reqwest: GET",
            REQWEST,
            "GET: ReqwestService, instructions of those of reqwest",
        )
    },
    Row {
        amount: Some(Amount {
            of: "POST, ReqwestService: instructions",
            base: Some("POST, reqwest: instructions"),
            unit: "instructions more",
        }),
        in_the_way: Some(SERVICE),
        ..row(
            "ReqwestService, of bare reqwest: POST",
            REQWEST,
            "POST: ReqwestService, instructions of those of reqwest",
        )
    },
    Row {
        in_the_way: Some(SERVICE),
        ..row(
            "ReqwestService, allocations more than bare reqwest: GET",
            REQWEST,
            "GET: ReqwestService, allocations more than reqwest",
        )
    },
    Row {
        in_the_way: Some(SERVICE),
        ..row(
            "ReqwestService, allocations more than bare reqwest: POST",
            REQWEST,
            "POST: ReqwestService, allocations more than reqwest",
        )
    },
    Row {
        amount: Some(Amount {
            of: "ReplayBodyLayer + AuthLayer, header map with room: instructions",
            base: Some("AuthLayer, header map with room: instructions"),
            unit: "instructions more than AuthLayer",
        }),
        ..row(
            "ReplayBodyLayer over an empty body, of the static header",
            REQUEST,
            "ReplayBodyLayer over an empty body, instructions of AddAuthorization's",
        )
    },
    Row {
        amount: Some(Amount {
            of: "ReplayBodyLayer + AuthLayer: instructions",
            base: Some("AuthLayer: instructions"),
            unit: "instructions more than AuthLayer",
        }),
        ..row(
            "ReplayBodyLayer over an empty body, hyper-util's client, of the static header",
            HYPER,
            "ReplayBodyLayer + AuthLayer, instructions over AuthLayer, of AddAuthorization's",
        )
    },
    Row {
        in_the_way: Some(
            "the state that a key needs while nothing happens: the token with its header value, \
             the machine's memory, and the entry of the map",
        ),
        ..row(
            "an idle key with a token of 1 KiB, bytes",
            KEYS,
            "idle key with a token of 1 KiB: bytes",
        )
    },
    Row {
        in_the_way: Some("two threads that use the same key write to the same lines of memory"),
        ..row(
            "two threads with the same key, of linear",
            THREADS,
            "a keyed request, the same key: 2 threads of linear",
        )
    },
    row(
        "two threads with keys of their own, of linear",
        THREADS,
        "a keyed request, each thread's own keys: 2 threads of linear",
    ),
    Row {
        in_the_way: Some("the clock is read once a request, which no static header does"),
        ..row(
            "processor time, map must grow, replay off, of the static header",
            REQUEST,
            "replay off, time of AddAuthorization's: full map",
        )
    },
    Row {
        amount: Some(Amount {
            of: "auth-core + auth-tower: seconds",
            base: None,
            unit: "s of processor time",
        }),
        in_the_way: Some(
            "auth-core is one crate with all rules, and the compiler needs most time for it",
        ),
        ..row(
            "clean build of auth-core + auth-tower, of tower-http",
            BUILD,
            "auth-core + auth-tower, processor time of tower-http's",
        )
    },
    row(
        "crates of auth-core + auth-tower with all dependencies",
        BUILD,
        "crates in all",
    ),
];

const SIGNING: &str = "the clock, the destination and the current token are checked for each \
                       request; a static header checks nothing";
const REPLAY: &str = "the head of the request is copied before it is sent, because tower gives the \
                      request away";
const KEYED: &str = "the key is looked up in the map for each request, and the authenticator's \
                     handle is cloned";
const FOREIGN: &str = "the response carries an `AuthOutcome` that says that nothing was signed, which \
                       costs three allocations";
const MIDDLEWARE: &str = "reqwest-middleware's request is converted to a request of the crate `http` \
                          and back, and its future is boxed";
const SERVICE: &str = "the request's URI becomes reqwest's URL, and the response is converted back";

const fn row(what: &'static str, bench: &'static str, figure: &'static str) -> Row {
    Row {
        what,
        bench,
        figure,
        amount: None,
        in_the_way: None,
    }
}
