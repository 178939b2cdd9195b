use std::{
    fmt,
    hash::{BuildHasher, Hash, Hasher, RandomState},
    sync::{Arc, OnceLock},
};

use zeroize::Zeroizing;

use crate::Secret;

/// Identifies the token that a request needs: everything that makes one token different from
/// another.
///
/// Two keys are equal if and only if they have the same parts with the same values, in any order.
/// Each value is kept whole and with its length, so different sets of parts never form the same
/// key. Put a key into a request's extensions for `auth_tower`'s keyed layer, or pass it to
/// [`AuthenticatorMap`](crate::AuthenticatorMap). Clones share their memory.
///
/// # Example
///
/// ```
/// use auth_core::{Key, KeyPart, Secret};
///
/// let user = Secret::new("fake-token-of-a-user");
/// let key = Key::builder("example").client("my-service").scope("read write").subject(&user).build();
/// assert_eq!(key.get(KeyPart::Client), Some("my-service"));
/// assert!(key.all(KeyPart::Scope).eq(["read", "write"]));
///
/// let same = Key::builder("example").subject(&user).scope("write  read read").client("my-service");
/// assert_eq!(key, same.build());
/// ```
///
/// # Security
///
/// `Debug` hides the values of all parts except the vendor. The memory is wiped with the last
/// clone.
#[derive(Clone)]
pub struct Key(Arc<Encoded>);

struct Encoded {
    /// Hash of the bytes, with random numbers of this process. Computed once: a subject may be
    /// long, and each request looks up its key.
    hash: u64,
    bytes: Zeroizing<Vec<u8>>,
}

/// A part of a [`Key`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum KeyPart<'a> {
    /// The vendor's name.
    Vendor,
    /// The issuer of the tokens (RFC 8414 section 2), or the token endpoint.
    Issuer,
    /// The client's identifier.
    Client,
    /// The grant.
    Grant,
    /// The values of a scope (RFC 6749 section 3.3).
    Scope,
    /// What the token is for, if the vendor names it by `audience`.
    Audience,
    /// What the token is for (RFC 8707).
    Resource,
    /// The user on whose behalf the token is requested: the user's token, or another text that
    /// identifies the user.
    Subject,
    /// A vendor-specific parameter.
    Extra(&'a str),
}

impl Key {
    /// Starts a key for a vendor.
    pub fn builder(vendor: impl AsRef<str>) -> KeyBuilder {
        KeyBuilder::default().add(KeyPart::Vendor, vendor.as_ref())
    }

    /// Returns the first value of a part. `None` if the key has no such part.
    #[must_use]
    pub fn get(&self, part: KeyPart<'_>) -> Option<&str> {
        self.all(part).next()
    }

    /// Returns the values of a part, sorted and without duplicates.
    pub fn all(&self, part: KeyPart<'_>) -> impl Iterator<Item = &str> {
        let (tag, name) = part.code();
        let wanted = move |entry: &Entry<'_>| entry.tag == tag && entry.name == name.as_bytes();
        Entries(&self.0.bytes)
            .filter(wanted)
            .filter_map(|entry| std::str::from_utf8(entry.value).ok())
    }

    pub(crate) fn hash_value(&self) -> u64 {
        self.0.hash
    }

    /// Returns all parts as bytes, for stores that derive the name of an entry from them. Equal
    /// keys have equal bytes and different keys have different bytes, in all processes of this
    /// release.
    ///
    /// # Security
    ///
    /// The subject, which may be a user's token, is part of the bytes in plain text. Write only a
    /// hash of the bytes anywhere.
    #[must_use]
    pub fn encoded(&self) -> &[u8] {
        &self.0.bytes
    }

    /// Returns the subject as a secret, to exchange it for a token (RFC 8693).
    #[must_use]
    pub fn subject(&self) -> Option<Secret> {
        self.get(KeyPart::Subject).map(Secret::new)
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
            || (self.0.hash == other.0.hash && self.0.bytes == other.0.bytes)
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // The value is a hash already, see `PreHashed`.
        state.write_u64(self.0.hash);
    }
}

/// Hasher for maps whose keys are [`Key`]: uses the hash that the key holds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PreHashed(u64);

impl Hasher for PreHashed {
    fn write(&mut self, bytes: &[u8]) {
        // Not called for keys, which write one number.
        bytes
            .iter()
            .for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Uses random numbers, so that no other program can construct keys that collide.
fn hash_of(bytes: &[u8]) -> u64 {
    static RANDOM: OnceLock<RandomState> = OnceLock::new();
    RANDOM.get_or_init(RandomState::new).hash_one(bytes)
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("vendor", &self.get(KeyPart::Vendor).unwrap_or_default())
            .finish_non_exhaustive()
    }
}

/// Collects the parts of a [`Key`]; made by [`Key::builder`].
#[derive(Default)]
#[must_use]
pub struct KeyBuilder {
    parts: Vec<Value>,
}

struct Value {
    tag: u8,
    name: String,
    value: Zeroizing<String>,
}

impl Value {
    fn order(&self) -> (u8, &str, &str) {
        (self.tag, &self.name, &self.value)
    }
}

impl KeyBuilder {
    /// Sets the issuer of the tokens.
    pub fn issuer(self, issuer: impl AsRef<str>) -> Self {
        self.only(KeyPart::Issuer, issuer.as_ref())
    }

    /// Sets the client's identifier.
    pub fn client(self, client_id: impl AsRef<str>) -> Self {
        self.only(KeyPart::Client, client_id.as_ref())
    }

    /// Sets the grant.
    pub fn grant(self, grant: impl AsRef<str>) -> Self {
        self.only(KeyPart::Grant, grant.as_ref())
    }

    /// Adds the values of a scope, separated by whitespace.
    pub fn scope(self, scope: impl AsRef<str>) -> Self {
        let values = scope.as_ref().split_whitespace();
        values.fold(self, |this, value| this.add(KeyPart::Scope, value))
    }

    /// Adds an audience.
    pub fn audience(self, audience: impl AsRef<str>) -> Self {
        self.add(KeyPart::Audience, audience.as_ref())
    }

    /// Adds a resource (RFC 8707).
    pub fn resource(self, uri: impl AsRef<str>) -> Self {
        self.add(KeyPart::Resource, uri.as_ref())
    }

    /// Sets the user on whose behalf the token is requested.
    pub fn subject(self, subject: &Secret) -> Self {
        self.only(KeyPart::Subject, subject.expose())
    }

    /// Adds a vendor-specific parameter.
    pub fn extra(self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        self.add(KeyPart::Extra(name.as_ref()), value.as_ref())
    }

    /// Makes the key.
    #[must_use]
    pub fn build(mut self) -> Key {
        // Sorted and without duplicates, so that the order of the calls is not part of the key.
        self.parts.sort_by(|a, b| a.order().cmp(&b.order()));
        self.parts.dedup_by(|a, b| a.order() == b.order());
        let size = |value: &Value| 17 + value.name.len() + value.value.len();
        let mut bytes = Zeroizing::new(Vec::with_capacity(self.parts.iter().map(size).sum()));
        for Value { tag, name, value } in &self.parts {
            bytes.push(*tag);
            for text in [name.as_str(), value.as_str()] {
                bytes.extend_from_slice(&(text.len() as u64).to_be_bytes());
                bytes.extend_from_slice(text.as_bytes());
            }
        }
        Key(Arc::new(Encoded {
            hash: hash_of(&bytes),
            bytes,
        }))
    }

    fn only(mut self, part: KeyPart<'_>, value: &str) -> Self {
        let (tag, name) = part.code();
        self.parts
            .retain(|other| (other.tag, other.name.as_str()) != (tag, name));
        self.add(part, value)
    }

    fn add(mut self, part: KeyPart<'_>, value: &str) -> Self {
        let (tag, name) = part.code();
        self.parts.push(Value {
            tag,
            name: name.to_owned(),
            value: Zeroizing::new(value.to_owned()),
        });
        self
    }
}

impl fmt::Debug for KeyBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyBuilder").finish_non_exhaustive()
    }
}

impl<'a> KeyPart<'a> {
    fn code(self) -> (u8, &'a str) {
        match self {
            Self::Vendor => (0, ""),
            Self::Issuer => (1, ""),
            Self::Client => (2, ""),
            Self::Grant => (3, ""),
            Self::Scope => (4, ""),
            Self::Audience => (5, ""),
            Self::Resource => (6, ""),
            Self::Subject => (7, ""),
            Self::Extra(name) => (9, name),
        }
    }
}

struct Entry<'a> {
    tag: u8,
    name: &'a [u8],
    value: &'a [u8],
}

/// Reads the bytes that [`KeyBuilder::build`] wrote.
struct Entries<'a>(&'a [u8]);

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        let (tag, rest) = self.0.split_first()?;
        let (name, rest) = text(rest)?;
        let (value, rest) = text(rest)?;
        self.0 = rest;
        let tag = *tag;
        Some(Entry { tag, name, value })
    }
}

fn text(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    let length = usize::try_from(u64::from_be_bytes(*length)).ok()?;
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    type Parts = (String, String, BTreeSet<String>, BTreeSet<String>, String);

    fn key((client, subject, audiences, scopes, extra): &Parts) -> Key {
        let mut builder = Key::builder("v")
            .extra("x", extra)
            .client(client)
            .subject(&Secret::new(subject.as_str()));
        for audience in audiences {
            builder = builder.audience(audience);
        }
        for scope in scopes.iter().rev() {
            builder = builder.scope(scope);
        }
        builder.build()
    }

    fn parts() -> impl Strategy<Value = Parts> {
        // Few letters, so that different parts often contain the same sequence.
        let text = "[ab|,]{0,3}";
        let set = |text| proptest::collection::btree_set(text, 0..3);
        (text, text, set(text), set("[ab]{1,2}"), text)
    }

    proptest! {
        #[test]
        fn t27_keys_are_equal_if_and_only_if_their_parts_are(a in parts(), b in parts()) {
            prop_assert_eq!(key(&a) == key(&b), a == b);
            prop_assert_eq!(key(&a).encoded() == key(&b).encoded(), a == b);
            prop_assert_eq!(key(&a), key(&a.clone()));
        }

        #[test]
        fn parts_come_back_as_they_were(a in parts()) {
            let key = key(&a);
            prop_assert_eq!(key.get(KeyPart::Client), Some(a.0.as_str()));
            prop_assert_eq!(key.subject(), Some(Secret::new(a.1.as_str())));
            prop_assert!(key.all(KeyPart::Audience).eq(a.2.iter()));
            prop_assert!(key.all(KeyPart::Scope).eq(a.3.iter()));
            prop_assert_eq!(key.get(KeyPart::Extra("x")), Some(a.4.as_str()));
            prop_assert_eq!(key.get(KeyPart::Extra("y")), None);
            prop_assert_eq!(key.get(KeyPart::Resource), None);
        }
    }

    #[test]
    fn t27_no_separator_joins_two_parts() {
        let key = |a: &str, b: &str| Key::builder("v").audience(a).resource(b).build();
        assert_ne!(key("a|b", "c"), key("a", "b|c"));
        assert_ne!(key("ab", ""), key("a", "b"));
        let swapped = Key::builder("v").extra("a", "b").build();
        assert_ne!(swapped, Key::builder("v").extra("b", "a").build());
    }

    #[test]
    fn every_part_has_its_own_place() {
        let key = Key::builder("a")
            .issuer("b")
            .client("c")
            .grant("d")
            .scope("e")
            .audience("f")
            .resource("g")
            .subject(&Secret::new("h"))
            .extra("x", "i")
            .build();
        for (part, value) in [
            (KeyPart::Vendor, "a"),
            (KeyPart::Issuer, "b"),
            (KeyPart::Client, "c"),
            (KeyPart::Grant, "d"),
            (KeyPart::Scope, "e"),
            (KeyPart::Audience, "f"),
            (KeyPart::Resource, "g"),
            (KeyPart::Subject, "h"),
            (KeyPart::Extra("x"), "i"),
        ] {
            assert!(key.all(part).eq([value]), "{part:?}");
        }
    }

    /// A buffer that grows leaves an old copy of the subject in memory that is not wiped.
    #[test]
    fn the_memory_of_a_key_is_reserved_once() {
        let key = Key::builder("example")
            .subject(&Secret::new("fake-secret-1"))
            .extra("a-long-name-of-a-parameter", "fake-secret-2")
            .scope("read write")
            .build();
        assert_eq!(key.0.bytes.capacity(), key.encoded().len());
    }

    /// With equal hashes, each look-up would compare with every key of the map.
    #[test]
    fn a_map_hashes_different_keys_differently() {
        let hasher = std::hash::BuildHasherDefault::<PreHashed>::default();
        let hashes: BTreeSet<_> = (0..1_000)
            .map(|number| Key::builder("v").client(number.to_string()).build())
            .map(|key| hasher.hash_one(&key))
            .collect();
        assert_eq!(hashes.len(), 1_000);
    }

    #[test]
    fn single_parts_are_replaced() {
        let key = Key::builder("v").client("one").client("two").build();
        assert!(key.all(KeyPart::Client).eq(["two"]));
    }

    #[test]
    fn g18_debug_hides_all_but_the_vendor() {
        let subject = Secret::new("fake-token-of-a-user");
        let builder = Key::builder("example").client("me").subject(&subject);
        assert!(!format!("{builder:?}").contains("fake"));
        let shown = format!("{:?}", builder.build());
        assert!(shown.contains("example") && !shown.contains("fake") && !shown.contains("me\""));
    }
}
