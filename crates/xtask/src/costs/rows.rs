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
    row(
        "signed, replay off, of tower-http's static header",
        REQUEST,
        "replay off, instructions of AddAuthorization's: header map with room",
    )
    .because(SIGNING),
    row(
        "the same, response read in place",
        REQUEST,
        "replay off, instructions of AddAuthorization's: map with room, response read in place",
    )
    .because(SIGNING),
    row(
        "the same, response carries an extension",
        REQUEST,
        "replay off, instructions of AddAuthorization's: map with room, response with an \
         extension",
    )
    .because(
        "the plain signing costs most of it; the rest looks through the response's extensions \
             for marks of these crates",
    ),
    row(
        "with replay, of tower's Retry + static header: map with room",
        REQUEST,
        "replay, instructions of Retry + AddAuthorization's: header map with room",
    )
    .because(REPLAY),
    row(
        "with replay, of tower's Retry + static header: full map",
        REQUEST,
        "replay, instructions of Retry + AddAuthorization's: full map",
    )
    .because(REPLAY),
    row(
        "with replay, of tower's Retry + static header: full map, 4 KiB body",
        REQUEST,
        "replay, instructions of Retry + AddAuthorization's: full map, 4 KiB body",
    )
    .because(REPLAY),
    row(
        "hyper-util's client, replay off, of the static header",
        HYPER,
        "AuthLayer, replay off, instructions over hyper-util's client without a layer, \
         of AddAuthorization's",
    )
    .amount(
        "AuthLayer, replay off: instructions",
        Some("tower-http AddAuthorization: instructions"),
        "instructions more than the static header",
    )
    .because(
        "the layer's own checks, the search for marks in the response, and the clone of the layer \
             that `oneshot` makes for each request",
    ),
    row(
        "hyper-util's client, with replay, of the static header",
        HYPER,
        "AuthLayer, instructions over hyper-util's client without a layer, of AddAuthorization's",
    )
    .amount(
        "AuthLayer: instructions",
        Some("tower-http AddAuthorization: instructions"),
        "instructions more than the static header",
    )
    .because(REPLAY),
    row(
        "future around hyper-util's client, with replay, bytes more",
        HYPER,
        "future around hyper-util's client, AuthLayer: bytes more",
    ),
    row(
        "AuthLayer::keyed, replay off, of AuthLayer: 16-byte subject",
        REQUEST,
        "AuthLayer::keyed, replay off, instructions of one key's: key with a subject of 16 bytes",
    )
    .because(KEYED),
    row(
        "AuthLayer::keyed, replay off, of AuthLayer: 1 KiB subject",
        REQUEST,
        "AuthLayer::keyed, replay off, instructions of one key's: key with a subject of 1 KiB",
    )
    .because(KEYED),
    row(
        "AuthLayer::keyed, with replay, of AuthLayer: 16-byte subject",
        REQUEST,
        "AuthLayer::keyed, instructions of one key's: key with a subject of 16 bytes",
    )
    .because(KEYED),
    row(
        "AuthLayer::keyed, with replay, of AuthLayer: 1 KiB subject",
        REQUEST,
        "AuthLayer::keyed, instructions of one key's: key with a subject of 1 KiB",
    )
    .because(KEYED),
    row(
        "URI with :443, of the static header",
        REQUEST,
        "replay off, instructions of AddAuthorization's: map with room, URI with :443",
    )
    .because("the plain signing costs most of it; the rest reads the port of the URI"),
    row(
        "another origin, unsigned, of the static header",
        REQUEST,
        "replay off, instructions of AddAuthorization's: another origin, 1 permitted",
    )
    .because(FOREIGN),
    row(
        "another origin, 20 permitted, of the static header",
        REQUEST,
        "replay off, instructions of AddAuthorization's: another origin, 20 permitted",
    )
    .because(FOREIGN),
    row(
        "another origin, response with an extension, of the static header",
        REQUEST,
        "replay off, instructions of AddAuthorization's: another origin, response with an \
         extension",
    )
    .because(
        "the destination is compared, the request is counted for `Health`, and the response gets \
         its mark",
    ),
    row(
        "AuthMiddleware, replay off, of a hand-written one with RwLock: GET",
        REQWEST,
        "GET: AuthMiddleware, replay off, instructions of those of hand-written \
         middleware, RwLock",
    )
    .because(MIDDLEWARE),
    row(
        "AuthMiddleware, replay off, of a hand-written one with RwLock: POST",
        REQWEST,
        "POST: AuthMiddleware, replay off, instructions of those of hand-written \
         middleware, RwLock",
    )
    .because(MIDDLEWARE),
    row(
        "AuthMiddleware, of a hand-written one with try_clone: GET",
        REQWEST,
        "GET: AuthMiddleware, instructions of those of hand-written middleware, RwLock, \
         try_clone",
    )
    .because(MIDDLEWARE),
    row(
        "AuthMiddleware, of a hand-written one with try_clone: POST",
        REQWEST,
        "POST: AuthMiddleware, instructions of those of hand-written middleware, RwLock, \
         try_clone",
    )
    .because(MIDDLEWARE),
    row(
        "AuthMiddleware::keyed, replay off, of AuthMiddleware: GET",
        REQWEST,
        "GET: AuthMiddleware::keyed, replay off, instructions of those of AuthMiddleware, replay off",
    )
    .because(KEYED),
    row(
        "AuthMiddleware::keyed, with replay, of AuthMiddleware: GET",
        REQWEST,
        "GET: AuthMiddleware::keyed, instructions of those of AuthMiddleware",
    )
    .because(KEYED),
    row(
        "AuthMiddleware::keyed, with replay, 1 KiB subject, of AuthMiddleware: GET",
        REQWEST,
        "GET: AuthMiddleware::keyed, subject of 1 KiB, instructions of those of AuthMiddleware",
    )
    .because(KEYED),
    row(
        "AuthMiddleware::keyed, replay off, of AuthMiddleware: POST",
        REQWEST,
        "POST: AuthMiddleware::keyed, replay off, instructions of those of AuthMiddleware, replay off",
    )
    .because(KEYED),
    row(
        "AuthMiddleware::keyed, with replay, of AuthMiddleware: POST",
        REQWEST,
        "POST: AuthMiddleware::keyed, instructions of those of AuthMiddleware",
    )
    .because(KEYED),
    row(
        "AuthMiddleware::keyed, with replay, 1 KiB subject, of AuthMiddleware: POST",
        REQWEST,
        "POST: AuthMiddleware::keyed, subject of 1 KiB, instructions of those of AuthMiddleware",
    )
    .because(KEYED),
    row(
        "ReqwestService, of bare reqwest: GET",
        REQWEST,
        "GET: ReqwestService, instructions of those of reqwest",
    )
    .amount(
        "GET, ReqwestService: instructions",
        Some("GET, reqwest: instructions"),
        "instructions more",
    )
    .because(SERVICE),
    row(
        "ReqwestService, of bare reqwest: POST",
        REQWEST,
        "POST: ReqwestService, instructions of those of reqwest",
    )
    .amount(
        "POST, ReqwestService: instructions",
        Some("POST, reqwest: instructions"),
        "instructions more",
    )
    .because(SERVICE),
    row(
        "ReqwestService, allocations more than bare reqwest: GET",
        REQWEST,
        "GET: ReqwestService, allocations more than reqwest",
    )
    .because(SERVICE),
    row(
        "ReqwestService, allocations more than bare reqwest: POST",
        REQWEST,
        "POST: ReqwestService, allocations more than reqwest",
    )
    .because(SERVICE),
    row(
        "ReplayBodyLayer over an empty body, of the static header",
        REQUEST,
        "ReplayBodyLayer over an empty body, instructions of AddAuthorization's",
    )
    .amount(
        "ReplayBodyLayer + AuthLayer, header map with room: instructions",
        Some("AuthLayer, header map with room: instructions"),
        "instructions more than AuthLayer",
    ),
    row(
        "ReplayBodyLayer over an empty body, hyper-util's client, of the static header",
        HYPER,
        "ReplayBodyLayer + AuthLayer, instructions over AuthLayer, of AddAuthorization's",
    )
    .amount(
        "ReplayBodyLayer + AuthLayer: instructions",
        Some("AuthLayer: instructions"),
        "instructions more than AuthLayer",
    ),
    row("an idle key with a token of 1 KiB, bytes", KEYS, IDLE_KEY).because(
        "the state that a key needs while nothing happens: the token with its header value, \
             the machine's memory, and the entry of the map",
    ),
    row(
        "two threads, whole requests, keyed, of linear: replay off, each thread's own keys",
        THREADS,
        "a keyed request, replay off, each thread's own keys: 2 threads of linear",
    )
    .because(OWN_KEYS),
    row(
        "two threads, whole requests, keyed, of linear: replay off, the same key",
        THREADS,
        "a keyed request, replay off, the same key: 2 threads of linear",
    )
    .because(SAME_KEY),
    row(
        "two threads, whole requests, keyed, of linear: each thread's own keys",
        THREADS,
        "a keyed request, each thread's own keys: 2 threads of linear",
    )
    .because(OWN_KEYS),
    row(
        "two threads, whole requests, keyed, of linear: the same key",
        THREADS,
        "a keyed request, the same key: 2 threads of linear",
    )
    .because(SAME_KEY),
    row(
        "processor time, map must grow, replay off, of the static header",
        REQUEST,
        "replay off, time of AddAuthorization's: full map",
    )
    .because("the clock is read once a request, which no static header does"),
    row(
        "clean build of auth-core + auth-tower, of tower-http",
        BUILD,
        "auth-core + auth-tower, processor time of tower-http's",
    )
    .amount(
        "auth-core + auth-tower: seconds",
        None,
        "s of processor time",
    )
    .because(
        "the compiler needs half of the time for auth-core, which has all rules, and for tokio",
    ),
    row(
        "crates of auth-core + auth-tower with all dependencies",
        BUILD,
        "crates in all",
    ),
];

const SIGNING: &str = "half of it adds the header, as the static layer does; the rest compares the \
                       destination, looks for a `Host` header, reads the clock, holds the token, \
                       and looks at the response and moves it";
const REPLAY: &str = "the names and values of the head are copied before the request is sent, \
                      because the service below takes the request";
const KEYED: &str = "each request looks its key up in the map, and allocates the state that it \
                     keeps for a second send";
const FOREIGN: &str = "the response carries a mark that says that nothing was signed; a response \
                       without another extension (real clients leave one) needs two allocations for \
                       the mark, which cost more than the static header";
const MIDDLEWARE: &str = "the middleware runs `AuthLayer`, which checks the destination, the time and \
                          the token, and looks for redirects; a hand-written one does none of this";
const SERVICE: &str = "the URI becomes reqwest's URL, and the response is converted back";

const OWN_KEYS: &str =
    "all keys are in one map, whose entries the threads write to for each look-up";
const SAME_KEY: &str = "both threads write to the same entry of the map, and to the same counters of \
                        the authenticator";

/// Without the copy of the token that its source may have.
pub(crate) const IDLE_KEY: &str = "idle key with a token of 1 KiB: bytes";

const fn row(what: &'static str, bench: &'static str, figure: &'static str) -> Row {
    Row {
        what,
        bench,
        figure,
        amount: None,
        in_the_way: None,
    }
}

impl Row {
    const fn amount(
        mut self,
        of: &'static str,
        base: Option<&'static str>,
        unit: &'static str,
    ) -> Self {
        self.amount = Some(Amount { of, base, unit });
        self
    }

    const fn because(mut self, in_the_way: &'static str) -> Self {
        self.in_the_way = Some(in_the_way);
        self
    }
}
