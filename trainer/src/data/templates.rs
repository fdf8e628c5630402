//! The pen strokes of the generated digits: how people write each of them, with the freedom they take.
//!
//! Strokes lie in a unit box, x to the right, y down. Each class has a few styles, and each style has proportions that
//! vary from digit to digit. What all digits share (slant, unsteady hand, pen) is added in [`super::generated`].

use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// A place in the plane: x, y.
pub(super) type Point = [f32; 2];

/// The control points of one movement of the pen; a point given twice in a row is a corner.
pub(super) type Stroke = Vec<Point>;

/// A uniformly random number.
pub(super) fn between(rng: &mut ChaCha8Rng, low: f32, high: f32) -> f32 {
    low + (high - low) * rng.random::<f32>()
}

fn chance(rng: &mut ChaCha8Rng, probability: f32) -> bool {
    rng.random::<f32>() < probability
}

/// Sine and cosine of `degrees`, by a polynomial: the library's differ in the last bit between machines, and the
/// digits must not.
pub(super) fn sin_cos(degrees: f32) -> (f32, f32) {
    let sin = |degrees: f32| {
        let turn = degrees / 360.0 - (degrees / 360.0).round();
        // Fold to a quarter turn either side of zero, where the series converges fast.
        let folded = if turn > 0.25 {
            0.5 - turn
        } else if turn < -0.25 {
            -0.5 - turn
        } else {
            turn
        };
        let x = folded * std::f32::consts::TAU;
        let square = x * x;
        x * (1.0 - square / 6.0 * (1.0 - square / 20.0 * (1.0 - square / 42.0 * (1.0 - square / 72.0))))
    };
    (sin(degrees), sin(degrees + 90.0))
}

/// Part of an ellipse around `center`, from one angle to another in degrees: 0 is right, 90 is down.
fn arc(center: Point, radius: Point, from: f32, to: f32) -> Stroke {
    let steps = ((to - from).abs() / 45.0).ceil().max(2.0);
    (0..=steps as usize)
        .map(|i| {
            let (sin, cos) = sin_cos(from + (to - from) * i as f32 / steps);
            [center[0] + radius[0] * cos, center[1] + radius[1] * sin]
        })
        .collect()
}

fn joined(parts: &[&[Point]]) -> Stroke {
    parts.concat()
}

/// One way to write the digit `class`.
pub(super) fn strokes(class: u8, rng: &mut ChaCha8Rng) -> Vec<Stroke> {
    match class {
        0 => zero(rng),
        1 => one(rng),
        2 => two(rng),
        3 => three(rng),
        4 => four(rng),
        5 => five(rng),
        6 => six(rng),
        7 => seven(rng),
        8 => eight(rng),
        _ => nine(rng),
    }
}

fn zero(r: &mut ChaCha8Rng) -> Vec<Stroke> {
    let width = between(r, 0.22, 0.64);
    let start = between(r, -150.0, -20.0);
    let sweep = between(r, 325.0, 410.0);
    // The pen rarely comes back to where it started: the last third drifts in or out.
    let drift = between(r, -0.2, 0.12);
    let mut ring = arc([0.5, 0.5], [width, 0.48], start, start - sweep);
    let count = ring.len() as f32;
    for (i, point) in ring.iter_mut().enumerate() {
        let pull = 1.0 + drift * ((i as f32 / count - 0.66).max(0.0) * 3.0);
        *point = point.map(|v| 0.5 + (v - 0.5) * pull);
    }
    vec![ring]
}

fn one(r: &mut ChaCha8Rng) -> Vec<Stroke> {
    let bow = between(r, -0.05, 0.05);
    let stem = vec![[0.5, 0.03], [0.5 + bow, 0.5], [0.5, 0.97]];
    let flag_x = between(r, 0.2, 0.38);
    let flag = vec![[flag_x, between(r, 0.18, 0.32)], [0.5, 0.03], [0.5, 0.03], [0.5 + bow, 0.5], [0.5, 0.97]];
    match r.random_range(0..100) {
        0..76 => vec![stem],
        76..88 => vec![flag],
        _ => vec![flag, vec![[between(r, 0.2, 0.35), 0.97], [0.5, 0.96], [between(r, 0.65, 0.85), 0.96]]],
    }
}

fn two(r: &mut ChaCha8Rng) -> Vec<Stroke> {
    let top = between(r, 0.2, 0.34);
    let right = between(r, 0.22, 0.36);
    let foot = between(r, 0.12, 0.24);
    let base = between(r, 0.86, 0.95);
    let reach = between(r, 0.72, 1.2);
    let hook = between(r, -235.0, -120.0);
    let bow = arc([0.46, top], [right, top - 0.02], hook, between(r, 25.0, 65.0));
    match r.random_range(0..100) {
        // A small loop at the lower left, and a wave to the right.
        0..28 => {
            let loop_height = between(r, 0.05, 0.18);
            let tail = [
                [between(r, 0.4, 0.54), between(r, 0.58, 0.72)],
                [foot + 0.1, base],
                [foot - 0.04, base - loop_height * 0.4],
                [foot + 0.06, base - loop_height],
                [0.45, base - 0.04],
                [0.68, base + between(r, -0.02, 0.06)],
                [reach, base - between(r, -0.02, 0.2)],
            ];
            vec![joined(&[&bow, &tail])]
        }
        // A large loop under a large head, and a short tail.
        28..52 => {
            let head = arc([0.48, top + 0.04], [right, top + 0.02], hook, between(r, 10.0, 40.0));
            let loop_left = between(r, 0.02, 0.24);
            let loop_top = base - between(r, 0.14, 0.3);
            let cross = between(r, 0.38, 0.56);
            let tail = [
                [cross + 0.12, base - 0.24],
                [cross - 0.06, base - 0.04],
                [(loop_left + cross) / 2.0 - 0.06, base + 0.02],
                [loop_left, (base + loop_top) / 2.0 + 0.02],
                [(loop_left + cross) / 2.0, loop_top],
                [cross + 0.12, base - 0.1],
                [between(r, 0.7, 1.0), base + between(r, -0.1, 0.1)],
            ];
            vec![joined(&[&head, &tail])]
        }
        // A corner, and a straight or hanging base.
        52..80 => {
            let sag = between(r, -0.1, 0.05);
            let end = base + between(r, -0.06, 0.1);
            let tail = [[between(r, 0.4, 0.54), 0.66], [foot, base], [foot, base], [0.5, base + sag], [reach, end]];
            vec![joined(&[&bow, &tail])]
        }
        // Like a Z with a bent top.
        80..91 => {
            let top_y = between(r, 0.06, 0.16);
            vec![vec![
                [between(r, 0.1, 0.25), top_y + 0.06],
                [0.5, top_y - 0.04],
                [0.76, top_y + 0.02],
                [0.74, top_y + 0.14],
                [0.48, 0.55],
                [foot, base],
                [foot, base],
                [0.5, base],
                [reach, base - between(r, -0.04, 0.05)],
            ]]
        }
        // A swan: the base swings without a corner.
        _ => {
            let tail = [[0.5, 0.62], [foot + 0.1, base - 0.1], [foot + 0.12, base], [0.5, base], [reach, base - 0.03]];
            vec![joined(&[&bow, &tail])]
        }
    }
}

fn three(r: &mut ChaCha8Rng) -> Vec<Stroke> {
    let waist = between(r, 0.38, 0.56);
    let (upper, lower) = (between(r, 0.18, 0.34), between(r, 0.22, 0.4));
    let pinch = between(r, 0.28, 0.5);
    let end = between(r, 100.0, 190.0);
    let belly = arc([0.42, (waist + 1.0) / 2.0], [lower, (0.97 - waist) / 2.0], -70.0, end);
    match r.random_range(0..100) {
        0..60 => {
            let start = between(r, -185.0, -125.0);
            let head = arc([0.42, waist / 2.0 + 0.01], [upper, waist / 2.0], start, 65.0);
            vec![joined(&[&head, &[[pinch, waist], [pinch, waist]], &belly])]
        }
        // A small loop where the bows meet.
        60..75 => {
            let head = arc([0.42, waist / 2.0 + 0.01], [upper, waist / 2.0], between(r, -180.0, -130.0), 60.0);
            let knot = [[pinch + 0.06, waist + 0.02], [pinch - 0.08, waist + 0.02], [pinch - 0.02, waist - 0.05]];
            vec![joined(&[&head, &knot, &belly])]
        }
        // A flat top.
        _ => {
            let head = [[0.18, 0.06], [0.45, 0.04], [0.74, 0.05], [0.74, 0.05], [0.6, 0.22]];
            vec![joined(&[&head, &[[pinch, waist], [pinch, waist]], &belly])]
        }
    }
}

fn four(r: &mut ChaCha8Rng) -> Vec<Stroke> {
    let bar = between(r, 0.46, 0.66);
    let left = between(r, 0.08, 0.24);
    let right = between(r, 0.78, 0.98);
    let stem_x = between(r, 0.58, 0.74);
    let lean = between(r, -0.08, 0.06);
    let stem_top = between(r, 0.02, 0.3);
    let stem = vec![[stem_x, stem_top], [stem_x + lean * 0.5, 0.6], [stem_x + lean, 0.98]];
    let rise = between(r, -0.08, 0.04);
    match r.random_range(0..100) {
        // Open, with a corner at the left.
        0..56 => {
            let top = [between(r, 0.16, 0.42), between(r, 0.02, 0.14)];
            let angle = vec![
                top,
                [(top[0] + left) / 2.0, bar * 0.6],
                [left, bar],
                [left, bar],
                [0.5, bar],
                [right, bar + rise],
            ];
            vec![angle, stem]
        }
        // Open, with a round left like a u.
        56..82 => {
            let top = [between(r, 0.08, 0.32), between(r, 0.02, 0.16)];
            let cup =
                vec![top, [left, bar * 0.72], [left + 0.08, bar - 0.02], [0.42, bar], [stem_x, bar + rise - 0.06]];
            let reaching = chance(r, 0.4);
            let cup = if reaching { joined(&[&cup, &[[right, bar + rise - 0.1]]]) } else { cup };
            vec![cup, stem]
        }
        // Closed: the slope starts at the stem's top.
        82..94 => {
            let stem = vec![[stem_x, 0.03], [stem_x + lean * 0.5, 0.5], [stem_x + lean, 0.98]];
            let gap = between(r, 0.0, 0.1);
            vec![
                vec![
                    [stem_x - gap, 0.03],
                    [left + 0.16, bar * 0.6],
                    [left, bar],
                    [left, bar],
                    [0.5, bar],
                    [right, bar + rise],
                ],
                stem,
            ]
        }
        // In one movement: down, across, up to the stem's top and down.
        _ => {
            let top = [between(r, 0.18, 0.36), between(r, 0.04, 0.14)];
            vec![vec![
                top,
                [left, bar - 0.08],
                [left + 0.08, bar],
                [stem_x - 0.12, bar - 0.06],
                [stem_x, stem_top + 0.05],
                [stem_x, stem_top + 0.05],
                [stem_x + lean * 0.5, 0.6],
                [stem_x + lean, 0.98],
            ]]
        }
    }
}

fn five(r: &mut ChaCha8Rng) -> Vec<Stroke> {
    let left = between(r, 0.22, 0.36);
    let shoulder = between(r, 0.34, 0.56);
    let end = between(r, 100.0, 185.0);
    let width = between(r, 0.2, 0.38);
    let middle = between(r, 0.4, 0.48);
    let belly = arc([middle, (shoulder + 0.93) / 2.0], [width, (1.0 - shoulder) / 2.0], -85.0, end);
    let bar_end = [between(r, 0.62, 1.1), between(r, -0.02, 0.13)];
    let bar_y = between(r, 0.05, 0.12);
    match r.random_range(0..100) {
        // In one movement from the bar's right end.
        0..45 => {
            let head = [bar_end, [(bar_end[0] + left) / 2.0, bar_y], [left + 0.02, bar_y], [left + 0.02, bar_y]];
            let back = [[left, (bar_y + shoulder) / 2.0], [left - 0.03, shoulder], [left - 0.03, shoulder]];
            vec![joined(&[&head, &back, &belly])]
        }
        // The bar is a stroke of its own.
        45..80 => {
            let back = [
                [left + 0.03, bar_y],
                [left, (bar_y + shoulder) / 2.0],
                [left - 0.02, shoulder],
                [left - 0.02, shoulder],
            ];
            let start = left + between(r, -0.02, 0.1);
            vec![joined(&[&back, &belly]), vec![[start, bar_y], [(start + bar_end[0]) / 2.0, bar_y], bar_end]]
        }
        // Without corners, like an S.
        _ => {
            let head =
                [bar_end, [(bar_end[0] + left) / 2.0, bar_y], [left, bar_y + 0.12], [left + 0.02, shoulder - 0.04]];
            vec![joined(&[&head, &belly])]
        }
    }
}

fn six(r: &mut ChaCha8Rng) -> Vec<Stroke> {
    let height = between(r, 0.14, 0.29);
    let width = between(r, 0.16, 0.36);
    let center = [between(r, 0.44, 0.54), 0.97 - height];
    let left = center[0] - width;
    let top = [left + between(r, 0.02, 0.6), between(r, 0.0, 0.06)];
    // How far the back bends away from the straight line.
    let bend = between(r, 0.0, 0.2);
    let back = [
        top,
        [top[0] * 0.6 + left * 0.4 - bend * 0.7, top[1] * 0.6 + center[1] * 0.4 - 0.04],
        [top[0] * 0.2 + left * 0.8 - bend * 0.5, top[1] * 0.25 + center[1] * 0.75],
    ];
    let close = between(r, -260.0, -135.0);
    let bowl = arc(center, [width, height], 180.0, close);
    match r.random_range(0..100) {
        0..40 => vec![joined(&[&back, &bowl])],
        // A back down to the base line, and a bowl that leans away from it and comes back low.
        40..80 => {
            let left = between(r, 0.12, 0.3);
            let (bowl_top, bowl_right) = (between(r, 0.42, 0.66), between(r, 0.66, 0.95));
            let down = [top, [(top[0] + left) / 2.0 - bend * 0.6, 0.32], [left, 0.64], [left + 0.07, 0.88]];
            let round = [
                [(left + bowl_right) / 2.0 - 0.02, 0.97],
                [bowl_right, (bowl_top + 0.97) / 2.0],
                [bowl_right - 0.12, bowl_top],
                [(left + bowl_right) / 2.0 - 0.04, bowl_top + between(r, 0.0, 0.1)],
                [left + between(r, 0.0, 0.2), between(r, 0.7, 0.86)],
            ];
            vec![joined(&[&down, &round])]
        }
        // A loop that curls in on itself.
        _ => {
            let curl = arc(center, [width, height], 180.0, -100.0);
            let inside =
                [[center[0] - width * 0.35, center[1] - height * 0.55], [center[0] - width * 0.5, center[1] + 0.02]];
            vec![joined(&[&back, &curl, &inside])]
        }
    }
}

fn seven(r: &mut ChaCha8Rng) -> Vec<Stroke> {
    let left = between(r, 0.06, 0.25);
    let right = between(r, 0.72, 0.9);
    let bar = between(r, 0.05, 0.14);
    let tilt = between(r, -0.06, 0.1);
    let foot = [between(r, 0.28, 0.66), between(r, 0.75, 1.0)];
    let bow = between(r, -0.08, 0.1);
    let stem = [[(right + foot[0]) / 2.0 - bow, (bar + foot[1]) / 2.0], foot];
    let corner = [right, bar];
    let bar_middle = [(left + right) / 2.0, bar + between(r, -0.05, 0.04)];
    let plain = match r.random_range(0..100) {
        0..45 => joined(&[&[[left, bar + tilt], bar_middle, corner, corner], &stem]),
        // Starts with a stroke down or a serif.
        45..65 => {
            let drop = between(r, 0.08, 0.28);
            let start = [left + between(r, -0.04, 0.06), bar + drop];
            joined(&[&[start, [left + 0.02, bar + 0.02], [left + 0.02, bar + 0.02], bar_middle, corner, corner], &stem])
        }
        // A bar that waves, and a round turn.
        65..85 => {
            let wave = [
                [left, bar + 0.12],
                [left + 0.16, bar - 0.02],
                [(left + right) / 2.0, bar + 0.04],
                [right - 0.04, bar],
            ];
            joined(&[&wave, &[[right - 0.02, bar + 0.1]], &stem])
        }
        // Round like a hook.
        _ => joined(&[&[[left, bar + tilt + 0.06], [0.45, 0.02], [right - 0.05, 0.1], [right, 0.3]], &stem]),
    };
    if chance(r, 0.17) {
        let y = between(r, 0.42, 0.58);
        let x = (right + foot[0]) / 2.0 - bow;
        let half = between(r, 0.16, 0.28);
        return vec![plain, vec![[x - half, y + 0.02], [x + half, y - between(r, -0.02, 0.06)]]];
    }
    vec![plain]
}

fn eight(r: &mut ChaCha8Rng) -> Vec<Stroke> {
    let waist = between(r, 0.36, 0.6);
    let (upper, lower) = (between(r, 0.14, 0.32), between(r, 0.14, 0.34));
    let (high, low) = (waist / 2.0, (1.0 + waist) / 2.0);
    let shift = between(r, -0.06, 0.06);
    match r.random_range(0..100) {
        // An S and back up to its start.
        0..30 => {
            let start = between(r, -65.0, -5.0);
            let s = arc([0.5 + shift, high], [upper, high - 0.02], start, -235.0);
            let bowl = arc([0.5, low], [lower, 0.98 - low], -40.0, 200.0);
            let end = [0.5 + shift + upper * between(r, 0.6, 1.1), high + between(r, -0.12, 0.1)];
            vec![joined(&[
                &s,
                &[[0.5 + shift * 0.5, waist]],
                &bowl,
                &[[0.45, waist + 0.06], [0.5 + shift + upper * 0.6, waist - 0.1], end],
            ])]
        }
        // The same, but the way back up is straight, and may miss the start.
        30..82 => {
            let lower = lower * between(r, 0.5, 1.0);
            let start = between(r, -95.0, -10.0);
            let s = arc([0.44 + shift, high], [upper, high - 0.02], start, -215.0);
            let bowl = arc([0.48, low], [lower, 0.98 - low], -50.0, 170.0);
            let end = [0.5 + upper * between(r, 0.7, 1.6), between(r, 0.0, 0.22)];
            let up = [[0.48 - lower * 0.5, low - (0.98 - low) * 0.6], [0.5, waist], end];
            vec![joined(&[&s, &[[0.48, waist]], &bowl, &up])]
        }
        // Two rings.
        _ => {
            let ring = |center: Point, radius: Point, start: f32| arc(center, radius, start, start + 365.0);
            let start = between(r, -120.0, 120.0);
            let overlap = between(r, 0.0, 0.03);
            vec![
                ring([0.5 + shift, high], [upper, high - 0.02 + overlap], 90.0),
                ring([0.5, low], [lower, 0.98 - low + overlap], start),
            ]
        }
    }
}

fn nine(r: &mut ChaCha8Rng) -> Vec<Stroke> {
    let height = between(r, 0.17, 0.32);
    let width = between(r, 0.18, 0.4);
    let center = [between(r, 0.42, 0.5), height + 0.02];
    let right = center[0] + width;
    let foot = [right + between(r, -0.3, 0.12), between(r, 0.85, 1.05)];
    let bend = between(r, -0.02, 0.06);
    let middle = [(right + foot[0]) / 2.0 + bend, (center[1] + foot[1]) / 2.0 + 0.05];
    let start = between(r, -95.0, 10.0);
    let ring = arc(center, [width, height], start, between(r, -380.0, -335.0));
    match r.random_range(0..100) {
        // A ring, and a stem from its right side.
        0..32 => vec![joined(&[&ring, &[middle, foot]])],
        // The pen goes back up to a corner before the stem.
        32..78 => {
            let cup = arc(center, [width, height], start, -305.0);
            let corner = [right + between(r, -0.06, 0.05), center[1] - height * between(r, 0.3, 1.2)];
            vec![joined(&[&cup, &[corner, corner, middle, foot]])]
        }
        // A tail that swings to the left.
        _ => {
            let tail = [
                [right + 0.01, 0.6],
                [right - between(r, 0.02, 0.12), 0.88],
                [right - 0.24, 0.97],
                [right - between(r, 0.36, 0.55), between(r, 0.8, 0.93)],
            ];
            vec![joined(&[&ring, &tail])]
        }
    }
}
