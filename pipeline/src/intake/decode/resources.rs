//! Resources that were read before, by their bytes: a process sends the same ones for as long as it
//! lives. A bounded cache, never a source of truth.

use model::signal::Resource;
use xxhash_rust::xxh3::xxh3_64;

use super::sniff::OtlpEncoding;

/// Places; a power of two. A resource stands in the one that its hash says, or nowhere.
const PLACES: usize = 2_048;
/// Larger ones are read anew each time. Unit: bytes.
const BYTES_MAX: usize = 4_096;

/// The bytes of a resource, and in which encoding they say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Written<'a>(pub(crate) OtlpEncoding, pub(crate) &'a [u8]);

/// A resource, with the bytes that it was read from.
#[derive(Clone, Debug)]
pub(crate) struct KnownResource {
    encoding: OtlpEncoding,
    bytes: Box<[u8]>,
    pub(crate) row: Resource,
    /// Whether a record's own attributes could tell the service.
    pub(crate) nameless: bool,
}

/// The cache.
#[derive(Debug, Default)]
pub(crate) struct Resources {
    places: Vec<Option<KnownResource>>,
}

impl Resources {
    /// The resource that these bytes were read as.
    pub(crate) fn find(&self, written: Written<'_>) -> Option<&KnownResource> {
        let known = self.places.get(place(written.1))?.as_ref()?;
        (Written(known.encoding, &known.bytes) == written).then_some(known)
    }

    /// Keeps a resource in the place of another.
    pub(crate) fn keep(&mut self, written: Written<'_>, row: &Resource, nameless: bool) {
        let Written(encoding, bytes) = written;
        if bytes.len() > BYTES_MAX {
            return;
        }
        self.places.resize_with(PLACES, || None);
        if let Some(slot) = self.places.get_mut(place(bytes)) {
            *slot =
                Some(KnownResource { encoding, bytes: bytes.into(), row: row.clone(), nameless });
        }
    }
}

fn place(bytes: &[u8]) -> usize {
    xxh3_64(bytes) as usize & (PLACES - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn proto(bytes: &[u8]) -> Written<'_> {
        Written(OtlpEncoding::Proto, bytes)
    }

    #[test]
    fn a_resource_is_known_by_all_of_its_bytes_and_the_cache_is_bounded() {
        let mut resources = Resources::default();
        assert!(resources.find(proto(b"a")).is_none());
        for number in 0..10_000_u32 {
            let row = Resource { service: number.to_string().into(), ..Resource::default() };
            resources.keep(proto(&number.to_le_bytes()), &row, false);
            let known = resources.find(proto(&number.to_le_bytes())).unwrap();
            assert_eq!(known.row, row);
            let other = Written(OtlpEncoding::Json, &number.to_le_bytes()[..]);
            assert!(resources.find(other).is_none(), "the same bytes, and another thing");
        }
        assert!(resources.find(proto(b"a")).is_none());
        assert_eq!(resources.places.len(), PLACES);
        resources.keep(proto(&[0; BYTES_MAX + 1]), &Resource::default(), false);
        assert!(resources.find(proto(&[0; BYTES_MAX + 1])).is_none());
    }
}
