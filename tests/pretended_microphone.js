const CLOCK = "if (globalThis.registerProcessor) Date.now = () => 1000 * currentTime;"; // in the worklet
if (navigator.mediaDevices) {
    const get = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    let sound;
    navigator.mediaDevices.getUserMedia = async (wishes) => {
        window.stream = await get(wishes);
        sound ??= new Int16Array(await (await fetch("/pretended-microphone")).arrayBuffer());
        return stream;
    };
    AudioContext.prototype.createMediaStreamSource = function () {
        const buffer = this.createBuffer(1, sound.length, 48000);
        buffer.copyToChannel(Float32Array.from(sound, (value) => value / 32768), 0);
        const source = this.createBufferSource();
        source.buffer = buffer;
        source.start();
        return source;
    };
    window.Blob = class extends Blob {
        constructor(parts, options) {
            super(options?.type === "text/javascript" ? [CLOCK, ...parts] : parts, options);
        }
    };
}