//! Failures of requests, as they cross from the host to the process of a plugin and back.

use serde::{Deserialize, Serialize};
use wasmtime_wasi_http::Error;

/// The failures that have a word in `wasi:http`; any other one is the last.
macro_rules! faults {
    (plain: $($plain:ident),*; sized: $($sized:ident($size:ty)),*;) => {
        /// Why a request failed.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        pub(super) enum Fault {
            $($plain,)*
            $($sized(Option<$size>),)*
            Name(Option<u16>),
            Alert(Option<u8>, Option<String>),
            Coding,
        }

        impl From<&Error> for Fault {
            fn from(error: &Error) -> Self {
                match error {
                    $(Error::$plain => Self::$plain,)*
                    $(Error::$sized(size) => Self::$sized(*size),)*
                    Error::DnsError { info_code, .. } => Self::Name(*info_code),
                    Error::TlsAlertReceived { alert_id, alert_message } => Self::Alert(*alert_id, alert_message.clone()),
                    Error::HttpResponseContentCoding(_) => Self::Coding,
                    _ => Self::HttpProtocolError,
                }
            }
        }

        impl From<Fault> for Error {
            fn from(fault: Fault) -> Self {
                match fault {
                    $(Fault::$plain => Self::$plain,)*
                    $(Fault::$sized(size) => Self::$sized(size),)*
                    Fault::Name(info_code) => Self::DnsError { rcode: None, info_code },
                    Fault::Alert(alert_id, alert_message) => Self::TlsAlertReceived { alert_id, alert_message },
                    Fault::Coding => Self::HttpResponseContentCoding(None),
                }
            }
        }
    };
}

faults! {
    plain: DnsTimeout, DestinationNotFound, DestinationUnavailable, DestinationIpProhibited, DestinationIpUnroutable,
        ConnectionRefused, ConnectionTerminated, ConnectionTimeout, ConnectionReadTimeout, ConnectionWriteTimeout,
        ConnectionLimitReached, TlsProtocolError, TlsCertificateError, HttpRequestDenied, HttpRequestLengthRequired,
        HttpRequestMethodInvalid, HttpRequestUriInvalid, HttpRequestUriTooLong, HttpResponseIncomplete, HttpResponseTimeout,
        HttpUpgradeFailed, LoopDetected, ConfigurationError, HttpProtocolError;
    sized: HttpRequestBodySize(u64), HttpRequestHeaderSectionSize(u32), HttpRequestTrailerSectionSize(u32),
        HttpResponseHeaderSectionSize(u32), HttpResponseBodySize(u64), HttpResponseTrailerSectionSize(u32);
}
