//! What is written is read again; what is damaged in any way is refused and says why.

use proptest::prelude::*;

use super::*;

/// A snapshot with one of everything.
fn sample() -> Snapshot {
    let mut snapshot = layout::one_of_everything::<Snapshot>();
    snapshot.host.name = "web-7".to_owned();
    snapshot.host.steal_ratio = Some(0.1 + 0.2);
    snapshot.window.duration_ns = u64::MAX;
    snapshot
}

#[test]
fn the_layout_is_the_one_that_recordings_are_marked_with() {
    let layout = layout::of::<Snapshot>();
    assert_eq!(layout, LAYOUT, "snapshots have other fields than before: set LAYOUT in recording.rs to {layout:#010x}");
}

#[test]
fn a_layout_is_told_apart_by_names_types_and_order() {
    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only its layout is looked at")]
    struct Before {
        a: u32,
        b: Option<u64>,
    }
    mod after {
        #[derive(serde::Deserialize)]
        #[expect(dead_code, reason = "only its layout is looked at")]
        pub struct Before {
            a: u32,
            b: Vec<u64>,
        }
    }
    assert_eq!(layout::described::<Before>(), "Before { a b }: visit_u32;option visit_u64;");
    assert_ne!(layout::of::<Before>(), layout::of::<after::Before>());
}

#[test]
fn what_is_written_is_read_again() {
    let snapshot = sample();
    assert!(snapshot.families.tcp.as_ref().is_some_and(|tcp| tcp.flows.len() == 1), "one of everything");
    for form in [Form::Packed, Form::Json] {
        let bytes = write(&snapshot, form).unwrap();
        assert_eq!(read(&bytes).unwrap(), snapshot, "{form:?}");
    }
}

proptest! {
    /// A report is the same byte for byte only if the last bit of every number is.
    #[test]
    fn numbers_keep_their_last_bit(ratio in any::<f64>().prop_filter("finite", |ratio| ratio.is_finite()), count in any::<u64>()) {
        let mut snapshot = sample();
        snapshot.host.steal_ratio = Some(ratio);
        snapshot.window.start_unix_ns = count;
        for form in [Form::Packed, Form::Json] {
            let read = read(&write(&snapshot, form).unwrap()).unwrap();
            prop_assert_eq!(read.host.steal_ratio.map(f64::to_bits), Some(ratio.to_bits()));
            prop_assert_eq!(read.window.start_unix_ns, count);
        }
    }

    #[test]
    fn any_bytes_are_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), sealed in any::<bool>()) {
        let bytes = if sealed { seal(&bytes, VERSION, LAYOUT) } else { bytes };
        prop_assert!(read(&bytes).is_err());
    }
}

#[test]
fn a_number_that_json_has_not_is_refused_when_it_is_written() {
    let (mut needed, mut optional) = (sample(), sample());
    needed.collectors[0].blind_ratio = f64::NAN;
    optional.host.steal_ratio = Some(f64::INFINITY);
    for snapshot in [needed, optional] {
        assert!(matches!(write(&snapshot, Form::Json), Err(RecordingError::Number)));
        assert!(write(&snapshot, Form::Packed).is_ok());
    }
}

#[test]
fn one_wrong_bit_anywhere_is_refused() {
    let bytes = write(&sample(), Form::Packed).unwrap();
    assert!(bytes.len() > 500, "{}", bytes.len());
    for index in 0..bytes.len() {
        for bit in 0..8 {
            let mut wrong = bytes.clone();
            wrong[index] ^= 1 << bit;
            assert!(read(&wrong).is_err(), "bit {bit} of byte {index} of {}", bytes.len());
        }
    }
}

#[test]
fn a_recording_that_is_cut_off_anywhere_is_refused() {
    let bytes = write(&sample(), Form::Packed).unwrap();
    for length in 1..bytes.len() {
        let error = read(&bytes[..length]).unwrap_err();
        assert!(matches!(error, RecordingError::Truncated { found, .. } if found == length as u64), "{length}: {error}");
    }
    assert!(matches!(read(&[]), Err(RecordingError::Foreign)));
    assert!(matches!(read(&[bytes, vec![0]].concat()), Err(RecordingError::TooLong)));
    // The last byte of the JSON is a newline behind the document.
    let bytes = write(&sample(), Form::Json).unwrap();
    for length in 0..bytes.len() - 1 {
        assert!(read(&bytes[..length]).is_err(), "{length} of {}", bytes.len());
    }
}

#[test]
fn later_versions_other_layouts_and_other_files_are_told_apart() {
    let body = postcard::to_stdvec(&sample()).unwrap();
    assert_eq!(read(&seal(&body, VERSION, LAYOUT)).unwrap(), sample());
    let newer = read(&seal(&body, VERSION + 1, LAYOUT)).unwrap_err();
    assert!(newer.to_string().contains("newer kerno") && newer.to_string().contains(&(VERSION + 1).to_string()), "{newer}");
    assert!(matches!(read(&seal(&body, VERSION, !LAYOUT)), Err(RecordingError::OtherLayout)));
    assert!(matches!(read(&seal(&body[..body.len() - 1], VERSION, LAYOUT)), Err(RecordingError::Packed(_))));
    assert!(matches!(read(&seal(&[body, vec![0]].concat(), VERSION, LAYOUT)), Err(RecordingError::TooLong)));
    for foreign in [&b"\x7fELF\x02\x01\x01"[..], b"kernorec", b"[1]", b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"]
    {
        assert!(matches!(read(foreign), Err(RecordingError::Foreign)), "{foreign:?}");
    }

    let text = String::from_utf8(write(&sample(), Form::Json).unwrap()).unwrap();
    assert!(text.starts_with("{\"kerno_recording\":1,\"host\":{"), "{text}");
    let newer = text.replace("\"kerno_recording\":1", "\"kerno_recording\":99");
    assert!(matches!(read(newer.as_bytes()), Err(RecordingError::Newer { found: 99 })));
    // As a rule's fixture: without a version, with white space before it.
    let fixture = text.replace("\"kerno_recording\":1,", "");
    assert_eq!(read(format!("\n {fixture}").as_bytes()).unwrap(), sample());
    let other = read(b"{\"schema_version\": 1}").unwrap_err();
    assert!(matches!(other, RecordingError::Json(_)), "a report is no recording: {other}");
}
