//! The sections about requests.

use super::*;

/// Rows of the table of requests: the stack, and the request.
const REQUESTS: [(&str, &str); 19] = [
    (STATIC, ROOM),
    (LOCK, ROOM),
    (OFF, ROOM),
    (ON, ROOM),
    (METRICS, ROOM),
    (RETRY, ROOM),
    (BODY, ROOM),
    (STATIC, EXTENSION),
    (OFF, EXTENSION),
    (STATIC, FULL),
    (OFF, FULL),
    (ON, FULL),
    (RETRY, FULL),
    (OFF, "map with room, URI with :443"),
    (OFF, "another origin, 1 permitted"),
    (OFF, "another origin, 20 permitted"),
    (KEYED_OFF, SHORT_KEY),
    (KEYED_OFF, LONG_KEY),
    (KEYED, LONG_KEY),
];

impl Page<'_> {
    pub(super) fn requests(&mut self) -> Result {
        self.section("A request");
        self.add(
            "The service below answers at once, so that only the layer's own work counts. All \
             figures are over the same request without a layer. Each request has six headers, two \
             of them made for the request. A request to hyper-util's client or to reqwest is one \
             with \"response with an extension\".\n\n\
             | stack | request | instructions | allocations | ns |\n|---|---|---:|---:|---:|\n",
        );
        for (stack, request) in REQUESTS {
            let of = |unit| self.request(stack, request, unit);
            let line = format!(
                "| {stack} | {request} | {} | {} | {} |\n",
                number(of("instructions")?.round()),
                number(of("allocations")?.round()),
                fixed(of("ns")?, 0),
            );
            self.add(&line);
        }
        self.add(
            "\nA request to another origin costs more than a signed request, because its response \
             carries an [`AuthOutcome`](crate::AuthOutcome) that says that nothing was signed.\n",
        );
        Ok(())
    }

    pub(super) fn plot(&mut self) -> Result {
        self.section("Instructions by stack");
        let of = |label, is_ours, value: Result<f64>| -> Result<Bar> {
            Ok(Bar {
                label,
                value: value?,
                is_ours,
            })
        };
        let request = |stack| self.request(stack, ROOM, "instructions");
        let hyper = |stack| -> Result<f64> {
            Ok(self.hyper_figure(stack, "instructions")?
                - self.hyper_figure(HYPER_BARE, "instructions")?)
        };
        let reqwest = |stack| self.reqwest_figure("GET", stack, "instructions over its floor");
        let groups = [
            Group {
                title: "A service that answers at once",
                bars: vec![
                    of("static header, tower-http", false, request(STATIC))?,
                    of("hand-written layer, RwLock", false, request(LOCK))?,
                    of("AuthLayer, replay off", true, request(OFF))?,
                    of("AuthLayer", true, request(ON))?,
                    of("tower Retry + static header", false, request(RETRY))?,
                ],
            },
            Group {
                title: "hyper-util's client",
                bars: vec![
                    of("static header, tower-http", false, hyper(STATIC))?,
                    of("hand-written layer, RwLock", false, hyper(LOCK))?,
                    of("AuthLayer, replay off", true, hyper(OFF))?,
                    of("AuthLayer", true, hyper(ON))?,
                    of("tower Retry + static header", false, hyper(RETRY))?,
                ],
            },
            Group {
                title: "reqwest",
                bars: vec![
                    of("ReqwestService without a layer", true, reqwest(SERVICE))?,
                    of(
                        "AuthLayer, replay off, ReqwestService",
                        true,
                        reqwest(SERVICE_OFF),
                    )?,
                    of("AuthLayer, ReqwestService", true, reqwest(SERVICE_ON))?,
                ],
            },
            Group {
                title: "reqwest-middleware",
                bars: vec![
                    of("hand-written, RwLock", false, reqwest(HAND))?,
                    of("AuthMiddleware, replay off", true, reqwest(MIDDLEWARE_OFF))?,
                    of(
                        "hand-written, RwLock, try_clone",
                        false,
                        reqwest(HAND_REPLAY),
                    )?,
                    of("AuthMiddleware", true, reqwest(MIDDLEWARE))?,
                ],
            },
        ];
        let plot = plot::draw(
            "Instructions for each request, by stack",
            "Bars with the instructions that each stack adds to a request, in four groups: a \
             service that answers at once, hyper-util's client, reqwest, reqwest-middleware. The \
             tables on this page have the same numbers.",
            &groups,
        );
        self.add(
            "Each bar is what the stack adds to the same request without it. Blue: these crates. \
             Grey: others. Each group has its own scale.\n\n",
        );
        self.add(&plot);
        Ok(())
    }

    pub(super) fn hyper(&mut self) -> Result {
        self.section("Around hyper-util's client");
        self.add(
            "HTTP/1.1 over loopback, the server in the same thread. Instructions and allocations of \
             the whole program for one request: client, server and runtime. The time contains the \
             system calls, and shows that the layer is hardly visible beside them.\n\n\
             | stack | instructions | more than without a layer | allocations | µs |\n\
             |---|---:|---:|---:|---:|\n",
        );
        let bare = self.hyper_figure(HYPER_BARE, "instructions")?;
        for stack in [HYPER_BARE, STATIC, LOCK, OFF, ON, BODY, RETRY] {
            let count = self.hyper_figure(stack, "instructions")?;
            let line = format!(
                "| {stack} | {} | {} | {} | {} |\n",
                number(count.round()),
                number((count - bare).round()),
                fixed(self.hyper_figure(stack, "allocations")?, 0),
                fixed(self.hyper_figure(stack, "µs")?, 1),
            );
            self.add(&line);
        }
        Ok(())
    }

    fn reqwest_figure(&self, method: &str, stack: &str, unit: &str) -> Result<f64> {
        self.value(REQWEST, &format!("{method}, {stack}: {unit}"))
    }

    pub(super) fn reqwest(&mut self) -> Result {
        self.section("With reqwest and reqwest-middleware");
        self.add(
            "HTTP/1.1 over loopback, the server in the same thread; a GET, and a POST with 64 bytes \
             of JSON. The first stack of each table is the base of the others. A hand-written \
             middleware checks no destination, requests no token, and does not know which token was \
             refused.\n",
        );
        for stacks in [
            &[REQWEST_BARE, SERVICE, SERVICE_OFF, SERVICE_ON][..],
            &[CHAIN, HAND, MIDDLEWARE_OFF, HAND_REPLAY, MIDDLEWARE],
        ] {
            self.add(
                "\n| stack | GET, instructions | more | allocations more | POST, instructions | more \
                 | allocations more |\n|---|---:|---:|---:|---:|---:|---:|\n",
            );
            for stack in stacks {
                let mut line = format!("| {stack} |");
                for method in ["GET", "POST"] {
                    let of = |unit| self.reqwest_figure(method, stack, unit);
                    let base = of("instructions")?
                        - self.reqwest_figure(method, stacks[0], "instructions")?;
                    let _ = write!(
                        line,
                        " {} | {} | {} |",
                        number(of("instructions")?.round()),
                        number(base.round()),
                        number(
                            (of("allocations over its floor")?
                                - self.reqwest_figure(
                                    method,
                                    stacks[0],
                                    "allocations over its floor"
                                )?)
                            .round()
                        ),
                    );
                }
                line.push('\n');
                self.add(&line);
            }
        }
        Ok(())
    }
}
