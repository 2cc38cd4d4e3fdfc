use std::io::ErrorKind;

use proptest::prelude::*;

use super::{
    fault::Fault,
    wire::{Frames, Held, News, ToHost, frame, message},
};

async fn frames(bytes: &[u8], max_bytes: usize) -> Vec<Result<Vec<u8>, ErrorKind>> {
    let mut frames = Frames::new(bytes);
    let mut found = Vec::new();
    loop {
        match frames.next(max_bytes).await {
            Ok(Some(bytes)) => found.push(Ok(bytes.to_vec())),
            Ok(None) => return found,
            Err(error) => {
                found.push(Err(error.kind()));
                return found;
            }
        }
    }
}

#[tokio::test]
async fn messages_come_one_after_the_other_and_only_whole() {
    let said = [ToHost::Ready(Held { namespaces: true }), ToHost::Tell(News::Stdout(b"hello".as_slice().into()))];
    let bytes = said.iter().flat_map(|said| frame(said, 100).unwrap()).collect::<Vec<_>>();
    let found = frames(&bytes, 100).await;
    assert_eq!(found.len(), 2);
    for (said, found) in said.iter().zip(found) {
        let found: ToHost = message(&found.unwrap()).unwrap();
        assert_eq!(format!("{found:?}"), format!("{said:?}"));
    }
    let cut = frames(&bytes[..bytes.len() - 1], 100).await;
    assert_eq!(cut.last(), Some(&Err(ErrorKind::UnexpectedEof)));
}

#[tokio::test]
async fn a_message_over_its_bound_is_refused_before_it_is_read() {
    let bytes = frame(&ToHost::Tell(News::Stdout(vec![0; 90].into())), 100).unwrap();
    assert_eq!(frames(&bytes, 100).await.len(), 1);
    assert_eq!(frames(&bytes, 50).await, [Err(ErrorKind::InvalidData)]);
    assert_eq!(frames(&u32::MAX.to_le_bytes(), 100).await, [Err(ErrorKind::InvalidData)]);
    assert_eq!(frame(&ToHost::Unready("x".repeat(200)), 100).unwrap_err().kind, remit_core::Kind::Limit);
}

#[test]
fn failures_of_requests_come_back_as_they_went() {
    use wasmtime_wasi_http::Error;
    for error in [Error::HttpRequestDenied, Error::HttpResponseBodySize(Some(7)), Error::DestinationIpProhibited, Error::LoopDetected] {
        let fault = Fault::from(&error);
        assert_eq!(Fault::from(&Error::from(fault.clone())), fault);
        assert_ne!(fault, Fault::HttpProtocolError);
    }
}

proptest! {
    #[test]
    fn any_bytes_are_a_message_or_refused(bytes: Vec<u8>) {
        if let Ok(said) = message::<ToHost>(&bytes) {
            let again = frame(&said, usize::MAX).unwrap();
            prop_assert!(message::<ToHost>(&again[4..]).is_ok());
        }
    }
}
