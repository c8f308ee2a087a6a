// react-native-webrtc: libwebrtc as @roamhq/wrtc has it. The microphone is the mouth that the test speaks with.
import wrtc from "@roamhq/wrtc";
import { mouth } from "../sound.js";

export const { MediaStream, RTCSessionDescription, RTCIceCandidate } = wrtc;

export class RTCPeerConnection extends wrtc.RTCPeerConnection {
  // What was described last, while its candidates come in. wrtc would hand over what libwebrtc's own thread is writing
  // to at that moment, and crash now and then (node-webrtc#696); react-native-webrtc remembers it here too.
  #gathering = null;

  constructor(configuration) {
    // The SDK names a public STUN server when the application names none: nothing here talks to the outside.
    super({ ...configuration, iceServers: [] });
    const native = this._pc;
    const described = () => Reflect.get(Object.getPrototypeOf(native), "localDescription", native);
    Object.defineProperty(native, "localDescription", { get: () => this.#gathering ?? described() });
    this.addEventListener("icecandidate", ({ candidate }) => {
      if (this.#gathering && candidate?.candidate) this.#gathering.sdp += `a=${candidate.candidate}\r\n`;
    });
    this.addEventListener("icegatheringstatechange", () => {
      if (this.iceGatheringState === "complete") this.#gathering = null;
    });
  }

  async setLocalDescription(description) {
    if (this.iceGatheringState !== "complete") this.#gathering = { type: description.type, sdp: description.sdp };
    await super.setLocalDescription(description);
  }
}

export const mediaDevices = {
  getUserMedia: async () => new MediaStream([mouth.track()]),
};
