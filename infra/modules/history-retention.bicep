// Ends versions in the history. Off by default: whoever replays or rematches wants them, and they are small.
// A current document stays; what deletes it is the removal of its video.
param storageAccountName string
param containerName string
param days int

resource account 'Microsoft.Storage/storageAccounts@2024-01-01' existing = {
  name: storageAccountName
}

resource policy 'Microsoft.Storage/storageAccounts/managementPolicies@2024-01-01' = {
  parent: account
  name: 'default'
  properties: {
    policy: {
      rules: [
        {
          name: 'history'
          enabled: true
          type: 'Lifecycle'
          definition: {
            filters: {
              blobTypes: [
                'blockBlob'
              ]
              // With the slash: `keywords` alone would begin with it too.
              prefixMatch: [
                '${containerName}/'
              ]
            }
            actions: {
              baseBlob: {
                delete: {
                  daysAfterModificationGreaterThan: days
                }
              }
            }
          }
        }
      ]
    }
  }
}
