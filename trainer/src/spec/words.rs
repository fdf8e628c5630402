//! The words of a spec: sets that are closed at compile time.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A set that is closed at compile time and travels as a lower-case word.
macro_rules! word_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, JsonSchema, Serialize, Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $word)] $variant),+ }

        impl $name {
            /// Every member, in the order of declaration.
            pub const ALL: &[$name] = &[$($name::$variant),+];
            /// The words that stand for the members, in the same order.
            pub const WORDS: &[&str] = &[$($word),+];

            /// The word that stands for this member in JSON and on the command line.
            pub fn word(self) -> &'static str {
                match self { $($name::$variant => $word),+ }
            }

            /// The member that `word` stands for.
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some($name::$variant),)+ _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.word())
            }
        }
    };
}

word_enum! {
    /// The depth of the convolutional network.
    Network {
        /// Four blocks of convolutions, 28×28 down to 1×1.
        Deep = "deep",
        /// The first three blocks, 28×28 down to 3×3.
        Shallow = "shallow",
    }
}

word_enum! {
    /// How the center loss measures the distance between an embedding and its class center.
    Distance {
        /// ‖x − c‖²
        Squared = "squared",
        /// ‖x − c‖
        Root = "root",
    }
}

word_enum! {
    /// The three named combinations of network and distance.
    Variant {
        /// Deep network, squared distance.
        V1_0 = "v1.0",
        /// Deep network, root distance.
        V1_1 = "v1.1",
        /// Shallow network, root distance.
        V1_2 = "v1.2",
    }
}

word_enum! {
    /// Which data set to train on.
    DatasetChoice {
        /// MNIST where it is found or can be downloaded, else generated digits.
        Auto = "auto",
        /// MNIST or an error.
        Mnist = "mnist",
        /// Digits drawn by the program itself; needs no file and no network.
        Generated = "generated",
    }
}

word_enum! {
    /// Where to train.
    DeviceChoice {
        /// CUDA when the program was built for it and a GPU answers, else the CPU.
        Auto = "auto",
        /// The CPU.
        Cpu = "cpu",
        /// The first CUDA GPU, or an error.
        Cuda = "cuda",
    }
}

word_enum! {
    /// What a step whose loss is NaN or infinite does.
    NonFinite {
        /// It ends the run as failed.
        Stop = "stop",
        /// It is left out: the weights stay as they were, and training goes on with the next.
        Skip = "skip",
    }
}

word_enum! {
    /// How exactly a GPU computes. A CPU computes in f32 whatever is asked.
    Precision {
        /// Every product in single precision.
        F32 = "f32",
        /// Convolutions round their factors to TF32 (10 bits of mantissa) and sum in single precision.
        Tf32 = "tf32",
        /// Activations, and weights where they are multiplied, are bf16 (7 bits); weights, sums and the optimiser stay in single precision.
        Bf16 = "bf16",
    }
}

impl Precision {
    /// What runs used before the field was there, and do where nothing is asked.
    pub(super) fn usual() -> Precision {
        Precision::Tf32
    }
}

word_enum! {
    /// A preset of every hyperparameter.
    Profile {
        /// Quarter width, 12 000 images, eight epochs: minutes on a laptop.
        Quick = "quick",
        /// The original numbers: full width, 60 000 images, batch 256.
        Full = "full",
    }
}

impl Variant {
    /// The network and the distance that the variant names.
    pub fn parts(self) -> (Network, Distance) {
        match self {
            Variant::V1_0 => (Network::Deep, Distance::Squared),
            Variant::V1_1 => (Network::Deep, Distance::Root),
            Variant::V1_2 => (Network::Shallow, Distance::Root),
        }
    }

    /// The variant that these parts make up; `None` for the one combination without a name (shallow, squared).
    pub fn of(network: Network, distance: Distance) -> Option<Variant> {
        Variant::ALL.iter().copied().find(|v| v.parts() == (network, distance))
    }
}
