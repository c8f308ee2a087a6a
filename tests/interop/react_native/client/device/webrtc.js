// react-native-webrtc: libwebrtc as @roamhq/wrtc has it. The microphone is the mouth that the test speaks with.
import wrtc from "@roamhq/wrtc";
import { mouth } from "../sound.js";

export const { MediaStream, RTCSessionDescription, RTCIceCandidate } = wrtc;

export class RTCPeerConnection extends wrtc.RTCPeerConnection {
  constructor(configuration) {
    // The SDK names a public STUN server when the application names none: nothing here talks to the outside.
    super({ ...configuration, iceServers: [] });
  }
}

export const mediaDevices = {
  getUserMedia: async () => new MediaStream([mouth.track()]),
};
