// The page of the accounts: connections with their credentials, outbound voice profiles, numbers.
import { ConnectionsCard } from "./connections.js";
import { byId, setText } from "./element.js";
import { withKey } from "./key_gate.js";
import { NumbersCard } from "./owned_numbers.js";
import { ProfilesCard } from "./profiles.js";

const announce = (text) => setText(byId("announce"), text);

withKey((api) => {
  const profiles = new ProfilesCard(api, { announce, onChange: () => connections.refresh() });
  const numbers = new NumbersCard(api, { announce });
  // A profile counts its connections, and a number shows the name of its own.
  const connections = new ConnectionsCard(api, { announce, onChange: () => Promise.all([profiles.refresh(), numbers.refresh()]) });
});
