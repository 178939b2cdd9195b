//! The status page in a real browser: headless Chromium, as `cargo xtask test` installs it.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use auth_core::{Origins, Secret, SharedClock, SharedTransport, TokenRequestLimit};
use auth_testkit::{Reply, TestServer};
use tokio::{net::TcpListener, process::Command, sync::oneshot};

use crate::{
    journal::Journal,
    outbound::{Outbound, Settings, http},
    service::{self, Operator},
    support::{call, prometheus},
    vendor::{self, TokenRequest},
};

#[tokio::test]
async fn g21_the_status_page_is_readable_in_light_and_dark() {
    let Some(browser) = env::var_os("AUTH_CHROMIUM").map(PathBuf::from) else {
        eprintln!("not run: the status page in a browser; AUTH_CHROMIUM=chromium runs it");
        return;
    };
    let vendor = TestServer::builder()
        .vendor(TokenRequest::default())
        .in_memory();
    let clock = SharedClock::default();
    let journal = Arc::new(Journal::default());
    let settings = Settings {
        token_url: vendor.token_url(),
        client_id: vendor.client_id().to_owned(),
        client_secret: Secret::new(vendor.client_secret()),
        api_url: vendor.api_url(),
        origins: Origins::new([vendor.origin()]).unwrap(),
        transport: SharedTransport::new(vendor.transport()),
        limit: TokenRequestLimit::new(8).unwrap(),
        max_users: 10,
        clock: clock.clone(),
        journal: Arc::clone(&journal),
    };
    let outbound = Outbound::new(settings, http(vendor.service())).unwrap();
    let operator = Operator {
        journal,
        metrics: prometheus(),
    };
    let router = service::router(
        outbound,
        Arc::new(vendor::expiry_of),
        clock.clone(),
        operator,
    );
    // A failure of dave's, and tokens of three others.
    let expires = clock.now().since_unix_epoch() + Duration::from_secs(300);
    vendor.token().then(Reply::status(500));
    for user in ["dave", "alice", "bob", "carol"] {
        let token = vendor::token_of(user, expires);
        call(router.clone(), "/my/things", Some(&token)).await;
    }
    call(router.clone(), "/things", None).await;

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/tokens", listener.local_addr().unwrap());
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(service::serve(listener, router, async {
        let _ = stopped.await;
    }));
    let dir = tempfile::tempdir().unwrap();

    let dom = run(&browser, dir.path(), &["--dump-dom"], &url).await;
    for shown in [
        "<dt>tokens received</dt><dd>4</dd>",
        "<dt>token requests failed</dt><dd>1</dd>",
        "5 token requests in the last hour, 1 of them failed",
        "<td>token request failed</td>",
    ] {
        assert!(dom.contains(shown), "{shown}: {dom}");
    }
    for (name, preference, colours) in [
        // Ground, card, text, bars of tokens and of failures: the page's own style.
        (
            "light",
            1,
            [0xf6_f7_f9, 0xff_ff_ff, 0x1c_23_30, 0x25_63_eb, 0xd9_77_06],
        ),
        (
            "dark",
            0,
            [0x12_16_1d, 0x1b_21_2b, 0xe6_ea_f0, 0x60_a5_fa, 0xfb_bf_24],
        ),
    ] {
        let file = dir.path().join(format!("{name}.png"));
        let arguments = [
            format!("--screenshot={}", file.display()),
            format!("--blink-settings=preferredColorScheme={preference}"),
            "--window-size=1000,1300".to_owned(),
            "--hide-scrollbars".to_owned(),
        ];
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        run(&browser, dir.path(), &arguments, &url).await;
        if let Some(keep) = env::var_os("AUTH_KEEP_SCREENSHOTS") {
            fs::copy(&file, Path::new(&keep).join(format!("{name}.png"))).unwrap();
        }
        let pixels = pixels(&file);
        assert_eq!(pixels.len(), 1000 * 1300, "{name}");
        // Fewest pixels of each: a plot with bars for both, and text that is drawn.
        for (colour, least) in colours.into_iter().zip([50_000, 100_000, 500, 300, 80]) {
            let count = pixels.iter().filter(|pixel| **pixel == colour).count();
            assert!(count >= least, "{name}: {count} pixels of {colour:06x}");
        }
    }
    let _ = stop.send(());
    serving.await.unwrap().unwrap();
}

/// Runs the browser to its end and returns what it prints.
async fn run(browser: &Path, dir: &Path, arguments: &[&str], url: &str) -> String {
    let mut command = Command::new(browser);
    command
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
        ])
        .args(["--no-first-run", "--disable-background-networking"])
        .arg(format!("--user-data-dir={}", dir.join("profile").display()))
        .args(arguments)
        .arg(url)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, command.output()).await;
    let output = output
        .expect("the browser ends")
        .expect("the browser starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The colours of all pixels, as `0xRRGGBB`.
fn pixels(file: &Path) -> Vec<u32> {
    let decoder = png::Decoder::new(std::io::BufReader::new(fs::File::open(file).unwrap()));
    let mut reader = decoder.read_info().unwrap();
    let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
    let frame = reader.next_frame(&mut bytes).unwrap();
    let samples = frame.color_type.samples();
    assert!(samples >= 3, "a colour picture");
    let pixels = bytes[..frame.buffer_size()].chunks_exact(samples);
    pixels
        .map(|pixel| u32::from_be_bytes([0, pixel[0], pixel[1], pixel[2]]))
        .collect()
}

const PATIENCE: Duration = Duration::from_secs(120);
