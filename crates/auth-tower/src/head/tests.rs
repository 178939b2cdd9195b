use proptest::prelude::*;

use super::*;

/// All parts of a head except the extensions, in a form that can be compared.
#[derive(Debug, PartialEq)]
struct Seen {
    method: Method,
    uri: (Uri, String),
    version: Version,
    headers: Vec<(HeaderName, Vec<u8>, bool)>,
}

fn seen(parts: &Parts) -> Seen {
    let headers = parts.headers.iter().map(|(name, value)| {
        let bytes = value.as_bytes().to_vec();
        (name.clone(), bytes, value.is_sensitive())
    });
    Seen {
        method: parts.method.clone(),
        uri: (parts.uri.clone(), parts.uri.to_string()),
        version: parts.version,
        headers: headers.collect(),
    }
}

#[track_caller]
fn assert_comes_back(request: Request<()>) {
    let restored = HeadCopy::of(&request).restore().unwrap();
    assert_eq!(seen(&restored), seen(&request.into_parts().0));
}

fn request(uri: &str) -> Request<()> {
    Request::get(uri).body(()).unwrap()
}

/// A request in which no part has its default.
fn full() -> Request<()> {
    let mut request = Request::post("https://user:fake-secret-a@api.example.com:8443/v1/a?b=c")
        .version(Version::HTTP_2)
        .header("x-one", "1")
        .header("cookie", "fake-secret-cookie=1")
        .extension("extension")
        .body(())
        .unwrap();
    *request.method_mut() = Method::from_bytes(b"PROPFIND").unwrap();
    mark_cookie(&mut request, true);
    request
}

fn mark_cookie(request: &mut Request<()>, sensitive: bool) {
    let cookie = request.headers_mut().get_mut("cookie").unwrap();
    cookie.set_sensitive(sensitive);
}

/// Takes the buffers out of the pool.
fn pool() -> Vec<Box<Head>> {
    POOL.with(|pool| {
        let others = pool.others.take();
        pool.last.take().into_iter().chain(others).collect()
    })
}

fn pooled() -> usize {
    let buffers = pool();
    let count = buffers.len();
    buffers.into_iter().for_each(Pool::give);
    count
}

fn empty_the_pool() {
    drop(pool());
}

/// The room for a head is counted before it is copied.
#[test]
fn a_head_that_fills_its_buffer_to_the_last_byte_is_restored() {
    let long = |length: usize| "x".repeat(length);
    for length in (MIN_BYTES - 32..MIN_BYTES + 32).chain(2_040..2_060) {
        assert_comes_back(request(&format!("/{}", long(length - 1))));
        assert_comes_back(request(&format!("https://{}", long(length))));
        let mut empty_value = request("/");
        let name = HeaderName::from_bytes(long(length).as_bytes()).unwrap();
        empty_value
            .headers_mut()
            .insert(name, HeaderValue::from_static(""));
        assert_comes_back(empty_value);
    }
}

#[test]
fn every_form_of_uri_is_restored() {
    for uri in [
        "https://api.example.com/v1/things?page=2",
        "https://api.example.com",
        "https://api.example.com/",
        "https://api.example.com?page=2",
        "https://api.example.com/?",
        "https://api.example.com:443/",
        "https://api.example.com:8443",
        "HTTPS://API.Example.COM/Path",
        "http://127.0.0.1:8080/a",
        "https://[::1]/a",
        "https://[2001:db8::1]:8443/a?b",
        "https://user:fake-secret@api.example.com/",
        "https://user@api.example.com",
        "https://api.example.com/a%20b%2Fc//d;e,f=g/../h?i=%C3%A9&j",
        "https://api.example.com/\u{e9}",
        "custom+scheme.1://api.example.com/a",
        "/origin/form?page=2",
        "/",
        "*",
        "api.example.com:443",
        "api.example.com",
    ] {
        assert_comes_back(request(uri));
    }
}

#[test]
fn every_method_is_restored() {
    for method in [
        "GET",
        "POST",
        "PATCH",
        "CONNECT",
        "get",
        "PROPFIND",
        "A-METHOD-THAT-IS-TOO-LONG-TO-BE-STORED-INLINE",
    ] {
        let mut request = request("https://api.example.com/");
        *request.method_mut() = Method::from_bytes(method.as_bytes()).unwrap();
        assert_comes_back(request);
    }
}

#[test]
fn every_version_is_restored() {
    for version in [
        Version::HTTP_09,
        Version::HTTP_10,
        Version::HTTP_11,
        Version::HTTP_2,
        Version::HTTP_3,
    ] {
        let mut request = request("https://api.example.com/");
        *request.version_mut() = version;
        assert_comes_back(request);
    }
}

#[test]
fn headers_are_restored_in_order_and_byte_for_byte() {
    let mut request = request("https://api.example.com/");
    let headers = request.headers_mut();
    for (name, value) in [
        ("x-twice", &b"first"[..]),
        ("accept", b"a/b"),
        ("x-twice", b""),
        ("x-not-utf-8", b"\x80\xff \t\xc3\x28"),
        ("x-empty", b""),
        ("x-twice", b"first"),
    ] {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(name, HeaderValue::from_bytes(value).unwrap());
    }
    let twice: Vec<_> = headers.get_all("x-twice").iter().cloned().collect();
    assert_eq!(twice, ["first", "", "first"]);
    assert_comes_back(request);
}

#[test]
fn each_value_keeps_its_own_sensitive_mark() {
    let mut request = request("https://api.example.com/");
    for sensitive in [false, true, false, true] {
        let mut value = HeaderValue::from_static("fake-secret");
        value.set_sensitive(sensitive);
        request.headers_mut().append("cookie", value);
    }
    let restored = HeadCopy::of(&request).restore().unwrap();
    let marks = restored.headers.get_all("cookie").iter();
    let marks: Vec<_> = marks.map(HeaderValue::is_sensitive).collect();
    assert_eq!(marks, [false, true, false, true]);
}

#[test]
fn extensions_are_restored_and_stay_on_the_request() {
    let mut request = request("https://api.example.com/");
    request.extensions_mut().insert("text");
    request.extensions_mut().insert(7_u32);
    let restored = HeadCopy::of(&request).restore().unwrap();
    for extensions in [request.extensions(), &restored.extensions] {
        assert_eq!(extensions.get(), Some(&"text"));
        assert_eq!(extensions.get(), Some(&7_u32));
        assert_eq!(extensions.len(), 2);
    }
}

#[test]
fn a_usual_head_has_room_for_one_more_header() {
    // For the credential: the map must not grow.
    let restored = HeadCopy::of(&full()).restore().unwrap();
    assert!(restored.headers.capacity() > restored.headers.len());
}

#[test]
fn a_reused_buffer_contains_nothing_of_the_last_request() {
    empty_the_pool();
    for restored_first in [true, false] {
        let copy = HeadCopy::of(&full());
        if restored_first {
            let restored = copy.restore().unwrap();
            assert_eq!(seen(&restored), seen(&full().into_parts().0));
            assert_eq!(restored.extensions.get(), Some(&"extension"));
        } else {
            drop(copy);
        }
        assert_eq!(pooled(), 1);

        let bare = HeadCopy::of(&request("/"));
        assert_eq!(pooled(), 0, "the buffer is used again");
        let bare = bare.restore().unwrap();
        assert_eq!(seen(&bare), seen(&request("/").into_parts().0));
        assert!(bare.extensions.is_empty());
    }
}

#[test]
fn copies_that_exist_together_do_not_mix() {
    let first = HeadCopy::of(&full());
    let second = HeadCopy::of(&request("/second"));
    let first = first.restore().unwrap();
    let third = HeadCopy::of(&request("/third"));
    assert_eq!(seen(&first), seen(&full().into_parts().0));
    assert_eq!(second.restore().unwrap().uri, "/second");
    assert_eq!(third.restore().unwrap().uri, "/third");
}

#[test]
fn the_pool_keeps_few_buffers_and_no_large_ones() {
    empty_the_pool();
    let copies: Vec<_> = (0..=MAX_KEPT).map(|_| HeadCopy::of(&full())).collect();
    drop(copies);
    assert_eq!(pooled(), MAX_KEPT);

    empty_the_pool();
    let mut large = full();
    let value = HeaderValue::from_bytes(&vec![b'x'; MAX_KEPT_BYTES + 1]).unwrap();
    large.headers_mut().insert("x-large", value);
    drop(HeadCopy::of(&large));
    assert_eq!(pooled(), 0);
    assert_comes_back(large);
}

/// Returns the bytes of a piece of memory, used or not.
#[cfg(target_os = "linux")]
fn memory(at: *const u8, length: usize) -> Vec<u8> {
    use std::{fs::File, os::unix::fs::FileExt};

    let mut memory = vec![0; length];
    let file = File::open("/proc/self/mem").unwrap();
    file.read_exact_at(&mut memory, at as u64).unwrap();
    memory
}

/// Returns the bytes of the one pooled buffer, including the unused ones.
#[cfg(target_os = "linux")]
fn pooled_memory() -> Vec<u8> {
    let buffer = pool().remove(0);
    let bytes = memory(buffer.bytes.as_ptr(), buffer.bytes.capacity());
    Pool::give(buffer);
    bytes
}

#[cfg(target_os = "linux")]
fn contains(memory: &[u8], text: &str) -> bool {
    let mut windows = memory.windows(text.len());
    windows.any(|bytes| bytes == text.as_bytes())
}

#[cfg(target_os = "linux")]
#[test]
fn sensitive_bytes_are_wiped_before_a_buffer_is_pooled() {
    for sensitive in [false, true] {
        empty_the_pool();
        let mut request = full();
        mark_cookie(&mut request, sensitive);
        drop(HeadCopy::of(&request));
        let found = contains(&pooled_memory(), "fake-secret-cookie");
        assert_eq!(found, !sensitive);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn one_sensitive_value_among_others_is_enough_to_wipe() {
    empty_the_pool();
    let mut request = full();
    let plain = HeaderValue::from_static("plain");
    request.headers_mut().insert("x-last", plain);
    drop(HeadCopy::of(&request));
    assert!(pooled_memory().iter().all(|byte| *byte == 0));
}

#[cfg(target_os = "linux")]
#[test]
fn sensitive_bytes_are_wiped_in_a_buffer_that_was_too_small() {
    empty_the_pool();
    drop(HeadCopy::of(&request("/")));
    let buffer = pool().remove(0);
    let (small, length) = (buffer.bytes.as_ptr(), buffer.bytes.capacity());
    Pool::give(buffer);

    // The cookie still fits, the next header does not.
    let mut request = full();
    let long = HeaderValue::from_bytes(&vec![b'x'; length]).unwrap();
    request.headers_mut().insert("x-long", long);
    let _copy = HeadCopy::of(&request);
    assert!(!contains(&memory(small, length), "secret-cookie"));
}

fn any_uri() -> impl Strategy<Value = String> {
    let authority =
        "([a-z]{1,4}(:[a-z]{0,3})?@)?([a-zA-Z0-9.-]{1,12}|\\[::[0-9a-f]{1,4}\\])(:[0-9]{1,4})?";
    let path = "(/[a-zA-Z0-9%._~!$&'()*+,;=:@-]{0,6}){0,3}(\\?[a-z=&%/?]{0,8})?";
    prop_oneof![
        ("(http|https|HTTPS|ws)", authority, path).prop_map(|(s, a, p)| format!("{s}://{a}{p}")),
        path.prop_map(|path| format!("/{path}")),
        Just("*".to_owned()),
        authority,
    ]
}

fn any_name() -> impl Strategy<Value = String> {
    const STANDARD: [&str; 4] = ["accept", "cookie", "x-frame-options", "x-xss-protection"];
    prop_oneof![
        "[a-z][a-z0-9-]{0,3}".boxed(),
        "[a-z][a-z0-9-]{0,70}".boxed(),
        proptest::sample::select(&STANDARD[..]).prop_map(str::to_owned),
    ]
}

prop_compose! {
    fn any_request()(
        uri in any_uri().prop_filter_map("no URI", |uri| uri.parse::<Uri>().ok()),
        method in "[A-Za-z!#$%&'*+.^_`|~0-9-]{1,40}",
        version in prop_oneof![Just(Version::HTTP_10), Just(Version::HTTP_11), Just(Version::HTTP_2)],
        headers in proptest::collection::vec(
            (any_name(), proptest::collection::vec(any::<u8>(), 0..80), any::<bool>()),
            0..24,
        ),
        extension in proptest::option::of(any::<u16>()),
    ) -> Request<()> {
        let mut request = Request::new(());
        *request.uri_mut() = uri;
        *request.method_mut() = Method::from_bytes(method.as_bytes()).unwrap();
        *request.version_mut() = version;
        for (name, value, sensitive) in headers {
            // Values that a header cannot carry are skipped.
            let Ok(mut value) = HeaderValue::from_bytes(&value) else { continue };
            value.set_sensitive(sensitive);
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            request.headers_mut().append(name, value);
        }
        if let Some(extension) = extension {
            request.extensions_mut().insert(extension);
        }
        request
    }
}

proptest! {
    #[test]
    fn any_head_is_restored(
        requests in proptest::collection::vec((any_request(), any::<bool>()), 1..6),
    ) {
        let copies: Vec<_> = requests.iter().map(|(request, _)| HeadCopy::of(request)).collect();
        for (copy, (request, restore)) in copies.into_iter().zip(requests) {
            if !restore {
                drop(copy);
                continue;
            }
            let restored = copy.restore().unwrap();
            let extension = request.extensions().get::<u16>().copied();
            prop_assert_eq!(restored.extensions.get::<u16>().copied(), extension);
            prop_assert_eq!(seen(&restored), seen(&request.into_parts().0));
        }
    }
}
