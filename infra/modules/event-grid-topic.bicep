// The topic that gets every event besides the queue.
param name string
param location string
param tags object
param isolated bool

resource topic 'Microsoft.EventGrid/topics@2025-02-15' = {
  // checkov:skip=CKV_AZURE_193: closed with networkIsolation; otherwise only EventGrid Data Sender may publish, and keys are off
  name: name
  location: location
  tags: tags
  // System-assigned: behind a storage firewall Event Grid delivers with no other identity.
  identity: {
    type: 'SystemAssigned'
  }
  properties: {
    // Can't be changed later.
    inputSchema: 'CloudEventSchemaV1_0'
    disableLocalAuth: true
    minimumTlsVersionAllowed: '1.2'
    publicNetworkAccess: isolated ? 'Disabled' : 'Enabled'
  }
}
