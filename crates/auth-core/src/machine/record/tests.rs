use proptest::{option::of, prelude::*};

use super::*;

const MILLIS: fn(u64) -> Duration = Duration::from_millis;

fn key() -> Key {
    Key::builder("example").client("a").build()
}

fn secret_text() -> impl Strategy<Value = Secret> {
    ".{1,8}".prop_map(Secret::new)
}

fn mark_bits() -> impl Strategy<Value = u16> {
    any::<u16>()
}

prop_compose! {
    fn kept()(
        secret in secret_text(),
        scope in of(".{0,8}"),
        left in any::<u64>().prop_map(MILLIS),
        lifetime in any::<u64>().prop_map(MILLIS),
        refused: bool,
    ) -> Kept {
        Kept { secret, scope, left, lifetime, refused }
    }
}

prop_compose! {
    fn pause()(
        (owner, message, code) in (".{0,8}", ".{0,8}", of(".{0,8}")),
        left in any::<u64>().prop_map(MILLIS),
        credential in of(mark_bits()),
        kind in prop::sample::select(&KINDS[..]),
        status in of(100..1000_u16),
    ) -> Pause {
        let status = status.and_then(|status| StatusCode::from_u16(status).ok());
        Pause { owner, left, credential, kind: kind.0, message, code, status }
    }
}

prop_compose! {
    fn record()(
        token in of(kept()),
        refresh in of((secret_text(), any::<u32>(), any::<bool>())),
        dead in of(secret_text()),
        pause in of(pause()),
        failures: u32,
        logins in prop::collection::vec((mark_bits(), any::<u32>()), 0..=MAX_LOGINS),
    ) -> Record {
        let refresh = refresh.map(|(secret, spent, is_first)| Refresh { secret, spent, is_first });
        let logins = logins
            .into_iter()
            .map(|(credential, rejected)| Logins { credential, rejected })
            .collect();
        Record { token, refresh, dead, pause, failures, logins }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(record in record()) {
        let bytes = record.encode(&key());
        let read = Record::decode(&key(), &bytes);
        prop_assert_eq!(read.as_ref(), Some(&record));
        prop_assert!(bytes.len() <= MAGIC.len() + 8 + record.size(), "the buffer grew");
    }

    #[test]
    fn t27_nothing_of_another_key_is_read(record in record(), client in "[ab]{0,3}") {
        let other = Key::builder("example").client(&client).build();
        let read = Record::decode(&other, &record.encode(&key()));
        prop_assert_eq!(read.is_some(), client == "a");
    }

    #[test]
    fn g16_nothing_cut_or_longer_is_read(record in record(), cut in any::<prop::sample::Index>()) {
        let bytes = record.encode(&key());
        let cut = cut.index(bytes.len());
        prop_assert!(Record::decode(&key(), &bytes[..cut]).is_none());
        let longer = [&bytes[..], b"x"].concat();
        prop_assert!(Record::decode(&key(), &longer).is_none());
    }

    #[test]
    fn g16_no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..128)) {
        let _ = Record::decode(&key(), &bytes);
        let _ = Record::decode(&key(), &[MAGIC, &bytes].concat());
    }

    #[test]
    fn g20_nothing_lives_longer_by_growing_older(record in record(), age in any::<u64>().prop_map(MILLIS)) {
        let young = record.clone();
        let old = record.aged(age);
        let left = |record: &Record| record.token.as_ref().map(|token| token.left);
        prop_assert!(left(&old) <= left(&young));
        prop_assert!(old.lives() <= young.lives());
    }
}

#[test]
fn a_failure_is_told_as_it_was() {
    let error = Error::new(ErrorKind::Throttled, "example: too many")
        .with_code("slow_down")
        .with_status(StatusCode::TOO_MANY_REQUESTS);
    let pause = Pause::new("a", Duration::from_secs(90), None, &error);
    let told = pause.error();
    assert_eq!(told.to_string(), "example: too many; next try in 90 s");
    assert_eq!(told.kind(), ErrorKind::Throttled);
    assert_eq!(told.code(), Some("slow_down"));
    assert_eq!(told.status(), Some(StatusCode::TOO_MANY_REQUESTS));
}
